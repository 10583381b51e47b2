import CLinux
import Reactor
import Testing

@testable import Redis

/// Replies of every kind that come in pieces: TCP promises no more. Byte by byte, so that there is a break everywhere.
struct SplitReplyTests {
  private static func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }

  private static func array(_ texts: String...) -> String { "*\(texts.count)\r\n" + texts.map(bulk).joined() }

  /// As a Redis answers that holds two entries, and on whose channel three are published as soon as somebody listens.
  private static func reply(_ command: String) -> String {
    if command.contains("ZRANGEBYSCORE") { return array("a", "3999999999", "b ü\r\n", "inf") }
    if command.contains("SUBSCRIBE") {
      let messages = ["one", "", "$3\r\nü\r\n"].map { array("message", "denied", $0) }
      return "*3\r\n" + bulk("subscribe") + bulk("denied") + ":1\r\n" + messages.joined()
    }
    return command.contains("ZADD") || command.contains("ZREMRANGEBYSCORE") || command.contains("PUBLISH") ? ":12\r\n" : "+OK\r\n"
  }

  @Test(arguments: [false, true]) func `Snapshot, messages and greeting are the same in whatever pieces`(bytewise: Bool) throws {
    let follower = try Follower()
    let server = try FakeRedis(follower.loop, bytewise: bytewise, reply: Self.reply)
    let endpoint = RedisEndpoint(.tcp(host: "127.0.0.1", port: server.port), username: "gate", password: "pw", database: 3)
    try follower.follow(endpoint, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive && follower.entries.count >= 3 })
    #expect(follower.entries.prefix(3) == ["one", "", "$3\r\nü\r\n"])
    #expect(follower.lastSnapshot == [RedisEntry(text: "a", endsAt: 3_999_999_999), RedisEntry(text: "b ü\r\n", endsAt: .max)])
    #expect(follower.downs.isEmpty && follower.ignored.isEmpty)
    // One to hear, one to read: neither was made twice.
    #expect(server.accepted == 2)
  }

  @Test(arguments: [false, true]) func `A refusal is read to its end`(bytewise: Bool) throws {
    let follower = try Follower()
    let refusal = "-NOPERM this user has no permissions\r\n"
    let server = try FakeRedis(follower.loop, bytewise: bytewise) { $0.contains("ZRANGEBYSCORE") ? refusal : Self.reply($0) }
    try follower.follow(RedisEndpoint(.tcp(host: "127.0.0.1", port: server.port)))
    #expect(follower.wait { !follower.downs.isEmpty })
    #expect(follower.downs.first == "the read was refused: NOPERM this user has no permissions")
    #expect(!follower.isAlive)
  }

  @Test(arguments: [false, true]) func `Entries are written, one after the other`(bytewise: Bool) throws {
    let loop = try EventLoop()
    defer { loop.closeAll() }
    var commands: [String] = []
    let server = try FakeRedis(loop, bytewise: bytewise) {
      commands.append($0)
      return Self.reply($0)
    }
    let settings = RedisFeed.Settings(
      endpoint: RedisEndpoint(.tcp(host: "127.0.0.1", port: server.port)), channel: "denied", key: "deny-list")
    var complaints: [String] = []
    let writer = RedisWriter(loop: loop, settings: settings) { complaints.append($0) }
    defer { _ = writer.stop() }
    var written: [Bool] = []
    for text in ["a", "b"] { writer.write(text, endsAt: 4_000_000_000) { written.append($0) } }
    let end = Clock.monotonicNanoseconds() + 30_000_000_000
    while written.count < 2, Clock.monotonicNanoseconds() < end { loop.turn(atMost: 50) }
    #expect(written == [true, true])
    #expect(complaints.isEmpty)
    let words = ["ZADD", "ZREMRANGEBYSCORE", "PUBLISH"]
    #expect(commands.compactMap { command in words.first { command.contains($0) } } == words + words)
    #expect(server.accepted == 1)
  }
}
