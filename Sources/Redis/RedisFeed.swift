import CLinux
import Reactor

/// Follows a list that lives in Redis: messages as they are published, and the sorted set behind them read in full after each
/// connect and then from time to time.
///
/// Nothing is lost, also over a restart of either side, provided that who publishes an entry adds it to the set first. An
/// entry may come twice, as a message and in a snapshot. On the loop's thread only, and no longer than the loop.
package final class RedisFeed {
  package struct Settings: Sendable {
    package var endpoint: RedisEndpoint
    /// The channel whose messages are entries' texts.
    package var channel: String
    /// The sorted set: member = an entry's text, score = the second since 1970 in which it ends.
    package var key: String
    /// Ms from the end of a read to the next one.
    package var readInterval: UInt64 = 5_000
    package var limits = RedisLimits()

    package init(endpoint: RedisEndpoint, channel: String, key: String) {
      self.endpoint = endpoint
      self.channel = channel
      self.key = key
    }
  }

  private let loop: EventLoop
  private let settings: Settings
  private let locate: (RedisEndpoint) -> RedisEndpoint?
  private let tell: (RedisFeedEvent) -> Void
  private var machine: FeedMachine
  private var timer: LoopTimer?
  private var subscriber: RedisConnection?
  private var reader: RedisConnection?
  /// An action may cause an event at once: a connect that fails, an owner that stops the feed.
  private var pending: [FeedMachine.Event] = []
  private var isHandling = false

  /// `tell` is called on the loop's thread and may call `stop`.
  ///
  /// - Parameter locate: where the endpoint is at present, nil for nowhere: asked before each connect, since names are not resolved here.
  package init(
    loop: EventLoop, settings: Settings, locate: @escaping (RedisEndpoint) -> RedisEndpoint? = { $0 },
    tell: @escaping (RedisFeedEvent) -> Void
  ) {
    self.loop = loop
    self.settings = settings
    self.locate = locate
    self.tell = tell
    machine = FeedMachine(readInterval: max(100, settings.readInterval))
  }

  deinit {
    timer?.close()
    subscriber?.close()
    reader?.close()
  }

  /// Begins to connect. Again after `stop`, if wished.
  package func start() {
    if timer?.isOpen != true { timer = LoopTimer(loop: loop) { [weak self] in self?.handle(.woke) } }
    handle(.start)
  }

  /// Closes both connections. Nothing is told after it.
  package func stop() {
    handle(.stop)
    timer?.close()
    timer = nil
  }

  private func handle(_ event: FeedMachine.Event) {
    pending.append(event)
    guard !isHandling else { return }
    isHandling = true
    while !pending.isEmpty {
      let event = pending.removeFirst()
      for action in machine.handle(event, now: loop.now) { perform(action) }
    }
    isHandling = false
    if machine.wakeAt == FeedMachine.never { timer?.setDeadline(0) } else { timer?.setDeadline(at: machine.wakeAt) }
  }

  private func perform(_ action: FeedMachine.Action) {
    switch action {
    case .connectSubscriber: subscriber = open()
    case .connectReader: reader = open()
    case .probe: subscriber?.subscribe(settings.channel)
    case .read: reader?.readSnapshot(key: settings.key, now: Clock.realNanoseconds() / 1_000_000_000)
    case .close:
      subscriber?.close()
      reader?.close()
      subscriber = nil
      reader = nil
    case .reportAlive: report(.alive(at: loop.now))
    case .reportDown(let reason): report(.down(reason: reason))
    }
  }

  private func open() -> RedisConnection? {
    do throws(RedisFailure) {
      guard let endpoint = locate(settings.endpoint) else { throw RedisFailure.nowhere }
      return try RedisConnection.open(endpoint, loop: loop, limits: settings.limits, owner: self)
    } catch {
      handle(.failed(error.description))
      return nil
    }
  }

  private func report(_ event: RedisFeedEvent) {
    // Stopped while more was to be told.
    if timer != nil, !pending.contains(.stop) { tell(event) }
  }

  private func report(_ snapshot: SnapshotCollector) {
    if let refusal = snapshot.refusal { return report(.ignored(reason: refusal)) }
    report(.snapshot(snapshot.entries))
    guard snapshot.skipped > 0 else { return }
    report(.ignored(reason: "\(snapshot.skipped) entries longer than \(settings.limits.textBytes) bytes or not UTF-8"))
  }
}

extension RedisFeed: RedisConnectionOwner {
  func ready(_ connection: RedisConnection) {
    if connection === subscriber { connection.subscribe(settings.channel) } else { handle(.readerReady) }
  }

  func progressed(_ connection: RedisConnection) {
    if connection === reader { handle(.progressed) }
  }

  func received(_ reply: RedisReply, on connection: RedisConnection) {
    switch reply {
    case .subscribed: handle(.subscribed)
    case .message(let text?, _): report(.entry(text))
    case .message(nil, let bytes):
      report(.ignored(reason: "a message of \(bytes) bytes, longer than \(settings.limits.textBytes) or not UTF-8"))
    case .snapshot(let snapshot):
      report(snapshot)
      // One that is refused leaves the list as it was: the server is there, but the feed is not known good.
      handle(snapshot.refusal == nil ? .readEnded : .readRefused)
    case .refused(let text): handle(.failed("the read was refused: \(text)"))
    case .done: handle(.failed("an answer of the wrong kind"))
    }
  }

  func lost(_ connection: RedisConnection, _ reason: String) {
    handle(.failed(reason))
  }
}
