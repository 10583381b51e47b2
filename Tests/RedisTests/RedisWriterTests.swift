import Glibc
import Reactor
import Testing

@testable import Redis

/// Against a real server.
@Suite(.serialized)
struct RedisWriterTests {
  private final class Writing {
    let loop: EventLoop
    let writer: RedisWriter
    var complaints: [String] { heard.texts }
    private(set) var results: [String: Bool] = [:]
    /// What was answered for, in its order.
    private(set) var order: [String] = []
    private let heard = Heard()

    private final class Heard { var texts: [String] = [] }

    init(_ endpoint: RedisEndpoint) throws {
      signal(SIGPIPE, SIG_IGN)
      let heard = heard
      loop = try EventLoop()
      writer = RedisWriter(loop: loop, settings: RedisFeed.Settings(endpoint: endpoint, channel: "denied", key: "deny-list")) {
        heard.texts.append($0)
      }
    }

    convenience init(_ redis: TestRedis) throws { try self.init(RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port))) }

    deinit {
      _ = writer.stop()
      loop.closeAll()
    }

    func write(_ text: String, of owner: String = "", endsAt: Int64 = 4_000_000_000) {
      writer.write(text, endsAt: endsAt, of: Array(owner.utf8)) { [weak self] in
        // Stopped by the end of the test.
        guard let self else { return }
        #expect(results[text] == nil, "told twice")
        results[text] = $0
        order.append(text)
      }
    }

    func wait(until condition: () throws -> Bool) rethrows -> Bool {
      let end = Clock.monotonicNanoseconds() + 30_000_000_000
      while try !condition() {
        if Clock.monotonicNanoseconds() > end { return false }
        loop.turn(atMost: 50)
      }
      return true
    }
  }

  @Test func `An entry is in the set when it is published, and what has ended is gone`() throws {
    let redis = try TestRedis()
    try redis.run("ZADD", "deny-list", "1000", "ended", "4000000000", "there")
    let follower = try Follower(redis, readInterval: 60_000)
    #expect(follower.wait { follower.isAlive })
    let writing = try Writing(redis)
    for text in ["a", "b ü", "c"] { writing.write(text) }
    #expect(writing.wait { writing.results == ["a": true, "b ü": true, "c": true] })
    #expect(follower.wait { follower.entries == ["a", "b ü", "c"] })
    #expect(try redis.run("ZCARD", "deny-list") == "4")
    #expect(try redis.run("ZSCORE", "deny-list", "b ü") == "4000000000")
    // The connection is kept, and outlives a while without work.
    writing.write("d")
    #expect(writing.wait { writing.results["d"] == true })
    #expect(writing.complaints.isEmpty)
  }

  @Test func `Nobody there is told within two seconds, and written when somebody is`() throws {
    let redis = try TestRedis()
    let writing = try Writing(redis)
    writing.write("before")
    #expect(writing.wait { writing.results["before"] == true })
    redis.kill()
    writing.write("during")
    #expect(writing.wait { writing.results["during"] == false })
    #expect(writing.complaints.contains { $0.hasPrefix("an entry could not be written: ") })
    try redis.start()
    #expect(try writing.wait { try redis.run("ZSCORE", "deny-list", "during") == "4000000000" })
    writing.write("after")
    #expect(writing.wait { writing.results["after"] == true })
  }

  @Test func `A server that hangs keeps nobody waiting`() throws {
    let redis = try TestRedis()
    let writing = try Writing(redis)
    writing.write("before")
    #expect(writing.wait { writing.results["before"] == true })
    redis.suspend()
    writing.write("during")
    #expect(writing.wait { writing.results["during"] == false })
    redis.resume()
    writing.write("after")
    #expect(writing.wait { writing.results["after"] != nil })
    #expect(try writing.wait { try redis.run("ZCARD", "deny-list") == "3" })
  }

  @Test func `A user who may not write is told so, and what is left is given back`() throws {
    let redis = try TestRedis()
    try redis.run("ACL", "SETUSER", "reader", "on", ">pw", "allchannels", "~*", "+subscribe", "+zrangebyscore")
    let writing = try Writing(RedisEndpoint(.tcp(host: "127.0.0.1", port: redis.port), username: "reader", password: "pw"))
    writing.write("x")
    #expect(writing.wait { writing.complaints.contains { $0.contains("NOPERM") } })
    writing.write("y")
    let rest = writing.writer.stop()
    #expect(rest.map(\.text) == ["x", "y"])
    #expect(writing.results == ["x": false, "y": false])
    #expect(writing.loop.channelCount == 0)
  }

  @Test func `More than can wait are refused`() throws {
    let writing = try Writing(RedisEndpoint(.unix(path: "/nonexistent/redis.sock")))
    // One is being written, the others wait.
    for number in 0...RedisWriter.maximum + 1 { writing.write("\(number)", of: "a") }
    #expect(writing.results == ["\(RedisWriter.maximum + 1)": false])
    #expect(writing.complaints.contains { $0.contains("one was dropped") })
    writing.write("other", of: "b")
    #expect(writing.results.count == 1)
    let rest = writing.writer.stop()
    #expect(rest.count == RedisWriter.maximum + 2 && rest.last?.text == "other" && rest.last.map { $0.owner } == Array("b".utf8))
    #expect(writing.results.count == RedisWriter.maximum + 3 && writing.results.allSatisfy { !$0.value })
  }

  @Test func `Who writes very many makes no other late`() throws {
    let redis = try TestRedis()
    let writing = try Writing(redis)
    for number in 0..<40 { writing.write("a\(number)", of: "a") }
    for number in 0..<3 { writing.write("b\(number)", of: "b") }
    #expect(writing.wait { writing.results.count == 43 })
    #expect(writing.order.prefix(7) == ["a0", "a1", "b0", "a2", "b1", "a3", "b2"])
    #expect(writing.results.allSatisfy { $0.value })
    try redis.run("PING")
  }
}
