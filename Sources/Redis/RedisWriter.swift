import CLinux
import Limits
import Reactor

/// Writes entries into the list that `RedisFeed` follows: into the sorted set first, then onto the channel, one after the other.
///
/// Connects when there is something to write, and keeps trying for as long as there is. On the loop's thread only.
package final class RedisWriter {
  private struct Entry {
    let text: String
    let endsAt: Int64
    let owner: [UInt8]
    /// Called once; nil when it was.
    var completion: ((Bool) -> Void)?
    /// When whoever waits is told that it took too long; the entry is tried further.
    let answerBy: UInt64
  }

  private enum Step { case idle, connecting, adding, trimming, publishing, waiting }

  private let loop: EventLoop
  private let settings: RedisFeed.Settings
  private let locate: (RedisEndpoint) -> RedisEndpoint?
  private let tell: (String) -> Void
  /// By number, in the order of which they came.
  private var entries: [UInt64: Entry] = [:]
  /// Those that wait, each owner's in a line of its own: one that writes very many does not make the others late.
  private var line = FairQueue<[UInt8], UInt64>(single: maximum)
  /// The one that is being written.
  private var current: UInt64?
  /// Those of which nobody was told yet, from the first to the last; some may have been written meanwhile.
  private var untold: [UInt64] = []
  private var last: UInt64 = 0
  private var connection: RedisConnection?
  private var timer: LoopTimer?
  private var step = Step.idle
  private var stepEnds = UInt64.max
  private var backoff = Backoff(random: SystemRandomNumberGenerator())

  /// Entries of one owner that wait, where no other's do; of all together two and a half times as many. More are not kept.
  package static let maximum = 10_000
  /// Milliseconds: for one step, and until whoever waits is told.
  static let timeout: UInt64 = 2_000

  /// - Parameters:
  ///   - locate: as `RedisFeed`'s.
  ///   - tell: hears what went wrong.
  package init(
    loop: EventLoop, settings: RedisFeed.Settings, locate: @escaping (RedisEndpoint) -> RedisEndpoint? = { $0 },
    tell: @escaping (String) -> Void
  ) {
    self.loop = loop
    self.settings = settings
    self.locate = locate
    self.tell = tell
  }

  deinit {
    timer?.close()
    connection?.close()
  }

  /// - Parameters:
  ///   - endsAt: seconds since 1970.
  ///   - owner: in whose name it is written.
  ///   - completion: called once, within two seconds: whether the entry is there.
  package func write(_ text: String, endsAt: Int64, of owner: [UInt8] = [], _ completion: @escaping (Bool) -> Void) {
    guard line.append(last &+ 1, for: owner) else {
      tell("too many entries wait to be written: one was dropped")
      return completion(false)
    }
    last &+= 1
    entries[last] = Entry(text: text, endsAt: endsAt, owner: owner, completion: completion, answerBy: loop.now + Self.timeout)
    untold.append(last)
    if step == .idle { next() }
    arm()
  }

  /// Closes the connection. Gives what is not written yet.
  package func stop() -> [(text: String, endsAt: Int64, owner: [UInt8])] {
    let rest = entries.sorted { $0.key < $1.key }.map(\.value)
    entries = [:]
    line = FairQueue(single: Self.maximum)
    current = nil
    untold = []
    timer?.close()
    timer = nil
    connection?.close()
    connection = nil
    step = .idle
    for entry in rest { entry.completion?(false) }
    return rest.map { ($0.text, $0.endsAt, $0.owner) }
  }

  private func arm() {
    if timer?.isOpen != true { timer = LoopTimer(loop: loop) { [weak self] in self?.woke() } }
    // Who came first is told first.
    let written = untold.prefix { entries[$0] == nil }.count
    untold.removeFirst(written)
    let nearest = untold.first.flatMap { entries[$0]?.answerBy } ?? .max
    let wake = min(nearest, stepEnds)
    timer?.setDeadline(at: wake == .max ? loop.now + 3_600_000 : wake)
  }

  private func woke() {
    let now = loop.now
    var late: [(Bool) -> Void] = []
    var told = 0
    while told < untold.count {
      if let entry = entries[untold[told]] {
        guard entry.answerBy <= now else { break }
        if let completion = entry.completion { late.append(completion) }
        entries[untold[told]]?.completion = nil
      }
      told += 1
    }
    untold.removeFirst(told)
    if now >= stepEnds {
      if step == .waiting { next() } else { fail("no answer within \(Self.timeout) ms") }
    }
    for completion in late { completion(false) }
    if timer != nil { arm() }
  }

  /// The one whose turn it is, from its first step.
  private func next() {
    if current == nil { current = line.next() }
    guard let current, let entry = entries[current] else {
      step = .idle
      stepEnds = .max
      return
    }
    stepEnds = loop.now + Self.timeout
    guard let connection else {
      step = .connecting
      do throws(RedisFailure) {
        guard let endpoint = locate(settings.endpoint) else { throw RedisFailure.nowhere }
        self.connection = try RedisConnection.open(endpoint, loop: loop, limits: settings.limits, owner: self)
      } catch {
        fail(error.description)
      }
      return
    }
    step = .adding
    connection.add(key: settings.key, member: entry.text, score: entry.endsAt)
  }

  private func fail(_ reason: String) {
    tell("an entry could not be written: \(reason)")
    connection?.close()
    connection = nil
    step = .waiting
    stepEnds = loop.now + backoff.next()
    if timer != nil { arm() }
  }
}

extension RedisWriter: RedisConnectionOwner {
  func ready(_ connection: RedisConnection) {
    guard step == .connecting else { return }
    next()
    arm()
  }

  func progressed(_ connection: RedisConnection) {}

  func received(_ reply: RedisReply, on connection: RedisConnection) {
    guard let number = current, let entry = entries[number] else { return }
    switch (reply, step) {
    case (.refused(let text), _): return fail(text)
    case (.done, .adding):
      step = .trimming
      connection.trim(key: settings.key, before: Clock.realNanoseconds() / 1_000_000_000)
    case (.done, .trimming):
      step = .publishing
      connection.publish(entry.text, on: settings.channel)
    case (.done, .publishing):
      backoff.reset()
      entries[number] = nil
      current = nil
      if untold.count > entries.count * 2 { untold.removeAll { entries[$0] == nil } }
      next()
      arm()
      entry.completion?(true)
    default: fail("an answer of the wrong kind")
    }
  }

  func lost(_ connection: RedisConnection, _ reason: String) {
    self.connection = nil
    // While nothing is written the server may go as it likes.
    if entries.isEmpty { step = .idle } else { fail(reason) }
  }
}
