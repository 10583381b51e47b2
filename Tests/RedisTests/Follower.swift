import Glibc
import Reactor

@testable import Redis

/// A feed on a loop of its own, and what it has told.
final class Follower {
  let loop: EventLoop
  private(set) var events: [RedisFeedEvent] = []
  private(set) var feed: RedisFeed!
  /// Called on each event, before it is listed.
  var onEvent: (RedisFeedEvent) -> Void = { _ in }

  /// Follows nothing yet: for a server that lives on the same loop.
  init() throws {
    // hiredis writes with write(2).
    signal(SIGPIPE, SIG_IGN)
    loop = try EventLoop()
  }

  convenience init(_ endpoint: RedisEndpoint, readInterval: UInt64 = 100, limits: RedisLimits = RedisLimits()) throws {
    try self.init()
    try follow(endpoint, readInterval: readInterval, limits: limits)
  }

  func follow(_ endpoint: RedisEndpoint, readInterval: UInt64 = 100, limits: RedisLimits = RedisLimits()) throws {
    var settings = RedisFeed.Settings(endpoint: endpoint, channel: "denied", key: "deny-list")
    settings.readInterval = readInterval
    settings.limits = limits
    feed = RedisFeed(loop: loop, settings: settings) { [unowned self] event in
      onEvent(event)
      events.append(event)
    }
    feed.start()
  }

  convenience init(_ redis: TestRedis, readInterval: UInt64 = 100, limits: RedisLimits = RedisLimits()) throws {
    try self.init(RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port)), readInterval: readInterval, limits: limits)
  }

  deinit {
    feed?.stop()
    loop.closeAll()
  }

  /// Turns the loop until `condition`, for at most half a minute.
  func wait(seconds: UInt64 = 30, until condition: () -> Bool) -> Bool {
    let end = Clock.monotonicNanoseconds() + seconds * 1_000_000_000
    while !condition() {
      if Clock.monotonicNanoseconds() > end { return false }
      loop.turn(atMost: 50)
    }
    return true
  }

  func forget() { events = [] }

  var isAlive: Bool {
    events.contains { if case .alive = $0 { true } else { false } }
  }

  var entries: [String] {
    events.compactMap { if case .entry(let text) = $0 { text } else { nil } }
  }

  var lastSnapshot: [RedisEntry]? {
    for case .snapshot(let entries) in events.reversed() { return entries }
    return nil
  }

  var downs: [String] {
    events.compactMap { if case .down(let reason) = $0 { reason } else { nil } }
  }

  var ignored: [String] {
    events.compactMap { if case .ignored(let reason) = $0 { reason } else { nil } }
  }
}
