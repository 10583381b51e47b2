import CLinux
import Reactor

/// Writes entries into the list that `RedisFeed` follows: into the sorted set first, then onto the channel, one after the other.
///
/// Connects when there is something to write, and keeps trying for as long as there is. On the loop's thread only.
package final class RedisWriter {
  private struct Entry {
    let text: String
    let endsAt: Int64
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
  private var queue: [Entry] = []
  private var connection: RedisConnection?
  private var timer: FeedTimer?
  private var step = Step.idle
  private var stepEnds = UInt64.max
  private var backoff = Backoff(random: SystemRandomNumberGenerator())

  /// Entries that wait; more are not kept.
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
  ///   - completion: called once, within two seconds: whether the entry is there.
  package func write(_ text: String, endsAt: Int64, _ completion: @escaping (Bool) -> Void) {
    guard queue.count < Self.maximum else {
      tell("more than \(Self.maximum) entries wait to be written: one was dropped")
      return completion(false)
    }
    queue.append(Entry(text: text, endsAt: endsAt, completion: completion, answerBy: loop.now + Self.timeout))
    if step == .idle { next() }
    arm()
  }

  /// Closes the connection. Gives what is not written yet.
  package func stop() -> [(text: String, endsAt: Int64)] {
    let rest = queue
    queue = []
    timer?.close()
    timer = nil
    connection?.close()
    connection = nil
    step = .idle
    for entry in rest { entry.completion?(false) }
    return rest.map { ($0.text, $0.endsAt) }
  }

  private func arm() {
    if timer?.isOpen != true { timer = try? FeedTimer(loop: loop) { [unowned self] in woke() } }
    // Who came first is told first.
    let nearest = queue.first { $0.completion != nil }?.answerBy ?? .max
    let wake = min(nearest, stepEnds)
    timer?.setDeadline(at: wake == .max ? loop.now + 3_600_000 : wake)
  }

  private func woke() {
    let now = loop.now
    var late: [(Bool) -> Void] = []
    for index in queue.indices where queue[index].answerBy <= now {
      if let completion = queue[index].completion { late.append(completion) }
      queue[index].completion = nil
    }
    if now >= stepEnds {
      if step == .waiting { next() } else { fail("no answer within \(Self.timeout) ms") }
    }
    for completion in late { completion(false) }
    if timer != nil { arm() }
  }

  /// The first of the queue, from its first step.
  private func next() {
    guard let entry = queue.first else {
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
    guard let entry = queue.first else { return }
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
      queue.removeFirst()
      next()
      arm()
      entry.completion?(true)
    default: fail("an answer of the wrong kind")
    }
  }

  func lost(_ connection: RedisConnection, _ reason: String) {
    self.connection = nil
    // While nothing is written the server may go as it likes.
    if queue.isEmpty { step = .idle } else { fail(reason) }
  }
}
