import CLinux
import Reactor
import Testing

@testable import Redis

/// Against a real server.
@Suite(.serialized)
struct RedisFeedTests {
  private let later = "4000000000"

  @Test func `A published message arrives`() throws {
    let redis = try TestRedis()
    let follower = try Follower(redis)
    #expect(follower.wait { follower.isAlive })
    #expect(follower.lastSnapshot == [])
    try redis.run("PUBLISH", "denied", "jti:one")
    try redis.run("PUBLISH", "other", "jti:not-ours")
    try redis.run("PUBLISH", "denied", "")
    try redis.run("PUBLISH", "denied", "jti:zwei ü")
    #expect(follower.wait { follower.entries.count == 3 })
    #expect(follower.entries == ["jti:one", "", "jti:zwei ü"])
    #expect(follower.downs.isEmpty)
  }

  @Test func `The set is read at the start and again, without what has ended`() throws {
    let redis = try TestRedis()
    try redis.run("ZADD", "deny-list", "1000", "ended", later, "b", "inf", "always", "3999999999", "a")
    let follower = try Follower(redis)
    let first = [
      RedisEntry(text: "a", endsAt: 3_999_999_999), RedisEntry(text: "b", endsAt: 4_000_000_000),
      RedisEntry(text: "always", endsAt: .max),
    ]
    #expect(follower.wait { follower.lastSnapshot == first })
    // The snapshot is told before the feed is said to be good.
    guard case .snapshot = follower.events.first else {
      Issue.record("first came \(follower.events)")
      return
    }
    try redis.run("ZREM", "deny-list", "a", "always")
    #expect(follower.wait { follower.lastSnapshot == [first[1]] })
  }

  @Test func `What was added while the server and the feed were apart is there after a kill -9`() throws {
    let redis = try TestRedis()
    let follower = try Follower(redis, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive })
    redis.kill()
    #expect(follower.wait { !follower.downs.isEmpty })
    follower.forget()
    try redis.start()
    // The feed may be back before this or after: it comes as a message or in the snapshot.
    try redis.run("ZADD", "deny-list", later, "missed")
    try redis.run("PUBLISH", "denied", "missed")
    #expect(follower.wait { follower.isAlive })
    #expect(follower.entries.contains("missed") || follower.lastSnapshot?.map(\.text) == ["missed"])
    try redis.run("PUBLISH", "denied", "after")
    #expect(follower.wait { follower.entries.contains("after") })
  }

  @Test func `A subscription that the server drops is made anew, and the set read`() throws {
    let redis = try TestRedis()
    let follower = try Follower(redis, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive })
    try redis.run("ZADD", "deny-list", later, "missed")
    try redis.run("CLIENT", "KILL", "TYPE", "pubsub")
    #expect(follower.wait { follower.lastSnapshot?.map(\.text) == ["missed"] })
    #expect(follower.downs.first == "Server closed the connection")
  }

  @Test func `A server that hangs counts as down, and comes back when it does`() throws {
    let redis = try TestRedis()
    let follower = try Follower(redis)
    #expect(follower.wait { follower.isAlive })
    redis.suspend()
    #expect(follower.wait { !follower.downs.isEmpty })
    #expect(follower.downs.first?.contains("did not answer within 2000 ms") == true)
    follower.forget()
    redis.resume()
    #expect(follower.wait { follower.isAlive })
  }

  @Test func `The probe keeps the feed alive between reads`() throws {
    let redis = try TestRedis()
    let follower = try Follower(redis, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive })
    let start = follower.loop.now
    func times() -> [UInt64] { follower.events.compactMap { if case .alive(let at) = $0 { at } else { nil } } }
    #expect(follower.wait { times().count == 3 })
    #expect(times()[2] - start >= 1_900)
    try redis.run("PUBLISH", "denied", "still")
    #expect(follower.wait { follower.entries == ["still"] })
  }

  @Test func `Wrong and missing passwords are reported without the password`() throws {
    let redis = try TestRedis(["--requirepass", "open sesame"])
    var endpoint = RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port), password: "wrong-secret")
    let wrong = try Follower(endpoint)
    #expect(wrong.wait { !wrong.downs.isEmpty })
    #expect(wrong.downs.first == "AUTH was refused: WRONGPASS")
    endpoint.password = nil
    let none = try Follower(endpoint)
    #expect(none.wait { !none.downs.isEmpty })
    #expect(none.downs.first == "NOAUTH Authentication required.")
    endpoint.password = "open sesame"
    let right = try Follower(endpoint)
    #expect(right.wait { right.isAlive })
  }

  @Test func `A server that does not know AUTH does not make us tell the password`() throws {
    let redis = try TestRedis(["--rename-command", "AUTH", "X"])
    let follower = try Follower(RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port), password: "secret"))
    #expect(follower.wait { !follower.downs.isEmpty })
    #expect(follower.downs.first == "AUTH was refused: ERR")
  }

  @Test func `A user with these rights and no more, a database, and a unix socket`() throws {
    let path = "/tmp/gatehouse-redis-\(getpid()).sock"
    let redis = try TestRedis(["--unixsocket", path])
    defer { unlink(path) }
    try redis.run(
      "ACL", "SETUSER", "gate", "on", ">pw", "resetchannels", "&denied", "~deny-list", "+subscribe", "+select", "+zrangebyscore")
    try redis.run("SELECT", "3")
    try redis.run("ZADD", "deny-list", later, "third")
    let follower = try Follower(RedisEndpoint(.unix(path: path), username: "gate", password: "pw", database: 3))
    #expect(follower.wait { follower.isAlive })
    #expect(follower.lastSnapshot?.map(\.text) == ["third"])
    try redis.run("PUBLISH", "denied", "now")
    #expect(follower.wait { follower.entries == ["now"] })
    let outside = try Follower(RedisEndpoint(.unix(path: path), username: "gate", password: "pw", database: 99))
    #expect(outside.wait { outside.downs.first == "SELECT was refused: ERR" })
  }

  @Test func `A user who may not subscribe or not read is told so`() throws {
    let redis = try TestRedis()
    try redis.run("ACL", "SETUSER", "deaf", "on", ">pw", "resetchannels", "~*", "+@all")
    try redis.run("ACL", "SETUSER", "blind", "on", ">pw", "allchannels", "+subscribe")
    for user in ["deaf", "blind"] {
      let follower = try Follower(RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port), username: user, password: "pw"))
      #expect(follower.wait { follower.downs.first?.contains("NOPERM") == true })
      #expect(!follower.isAlive)
    }
  }

  @Test func `A key of another type is reported`() throws {
    let redis = try TestRedis()
    try redis.run("SET", "deny-list", "text")
    let follower = try Follower(redis)
    #expect(follower.wait { follower.downs.first?.hasPrefix("the read was refused: WRONGTYPE") == true })
  }

  @Test func `What is too long or no text is reported and ignored`() throws {
    let redis = try TestRedis()
    try redis.run("ZADD", "deny-list", later, String(repeating: "k", count: 4_097), later, "short")
    let follower = try Follower(redis)
    #expect(follower.wait { follower.isAlive })
    #expect(follower.lastSnapshot?.map(\.text) == ["short"])
    #expect(follower.ignored == ["1 entries longer than 4096 bytes or not UTF-8"])
    follower.forget()
    try redis.run("PUBLISH", "denied", String(repeating: "m", count: 4_097))
    try redis.run("PUBLISH", "denied", String(repeating: "m", count: 4_096))
    #expect(follower.wait { !follower.entries.isEmpty })
    #expect(follower.ignored.contains("a message of 4097 bytes, longer than 4096 or not UTF-8"))
    #expect(follower.entries == [String(repeating: "m", count: 4_096)])
    // More than is collected for one message.
    try redis.run("PUBLISH", "denied", String(repeating: "m", count: 3_000_000))
    #expect(follower.wait { follower.downs == ["a reply with a piece of more than 1048576 bytes"] })
    follower.forget()
    #expect(follower.wait { follower.isAlive })
  }

  @Test func `A set beyond the limit is ignored, and the feed is not good until it is within`() throws {
    let redis = try TestRedis()
    var limits = RedisLimits()
    limits.snapshotEntries = 2
    try redis.run("ZADD", "deny-list", later, "a", later, "b", later, "c")
    let follower = try Follower(redis, limits: limits)
    #expect(follower.wait { follower.ignored.count == 3 })
    #expect(follower.ignored.first == "a snapshot of 3 entries, more than 2")
    #expect(!follower.isAlive && follower.downs.isEmpty && follower.lastSnapshot == nil)
    try redis.run("PUBLISH", "denied", "still")
    #expect(follower.wait { follower.entries == ["still"] })
    try redis.run("ZREM", "deny-list", "a")
    #expect(follower.wait { follower.isAlive })
  }

  @Test func `A hundred thousand entries come in one piece`() throws {
    let redis = try TestRedis()
    for start in stride(from: 0, to: 100_000, by: 1_000) {
      try redis.run(["ZADD", "deny-list"] + (start..<start + 1_000).flatMap { [String(4_000_000_000 + $0), "entry-\($0)"] })
    }
    let follower = try Follower(redis, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive })
    let entries = try #require(follower.lastSnapshot)
    #expect(entries.count == 100_000)
    #expect(entries.enumerated().allSatisfy { $1 == RedisEntry(text: "entry-\($0)", endsAt: Int64(4_000_000_000 + $0)) })
  }

  @Test func `Stopping from within an event ends it, and it can be started again`() throws {
    let redis = try TestRedis()
    try redis.run("ZADD", "deny-list", later, "a")
    let follower = try Follower(redis)
    follower.onEvent = { _ in follower.feed.stop() }
    #expect(follower.wait { !follower.events.isEmpty })
    follower.onEvent = { _ in }
    #expect(follower.events == [.snapshot([RedisEntry(text: "a", endsAt: 4_000_000_000)])])
    #expect(follower.loop.channelCount == 0)
    follower.feed.start()
    #expect(follower.wait { follower.isAlive })
    try redis.run("PUBLISH", "denied", "x")
    follower.onEvent = { if case .entry = $0 { follower.feed.stop() } }
    #expect(follower.wait { follower.loop.channelCount == 0 })
    follower.onEvent = { _ in }
  }
}
