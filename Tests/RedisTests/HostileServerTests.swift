import CLinux
import Reactor
import Testing

@testable import Redis

/// Servers that are no Redis, or one that lies. That the process is there afterwards is half of what is tested.
struct HostileServerTests {
  private static let subscribed = "*3\r\n$9\r\nsubscribe\r\n$6\r\ndenied\r\n:1\r\n"
  private static let message = "*3\r\n$7\r\nmessage\r\n$6\r\ndenied\r\n$2\r\nhi\r\n"

  struct Junk: CustomTestStringConvertible, ExpressibleByStringLiteral, Sendable {
    let text: String
    init(stringLiteral text: String) { self.text = text }
    var testDescription: String { text.debugDescription }
  }

  private static let junk: [Junk] = [
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\u{1}\u{7f}", "\r\n",
    "+OK\r\n+OK\r\n", ":1\r\n:2\r\n", "$-1\r\n$-1\r\n", "$3\r\nabc\r\n$3\r\nabc\r\n", "*-1\r\n", "*0\r\n", "*1\r\n$1\r\na\r\n",
    "*2\r\n$4\r\npong\r\n$0\r\n\r\n", "*2147483647\r\n", "*9999999999999\r\n", "$9999999999999\r\n", "*3\r\n:1\r\n:2\r\n:3\r\n",
    "*3\r\n$-1\r\n$-1\r\n$-1\r\n", "*3\r\n*1\r\n:1\r\n$1\r\na\r\n:1\r\n", "*3\r\n+message\r\n+denied\r\n+x\r\n",
    "*3\r\n$11\r\nunsubscribe\r\n$6\r\ndenied\r\n$1\r\nx\r\n", "*3\r\n$11\r\nunsubscribe\r\n$6\r\ndenied\r\n:0\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$6\r\ndenied\r\n$1\r\nx\r\n", "*3\r\n$7\r\nmessage\r\n$6\r\ndenied\r\n:1\r\n",
    "*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$1\r\nx\r\n", "*3\r\n$7\r\nmessage\r\n:1\r\n$1\r\nx\r\n",
    "*3\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n",
    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\ndenied\r\n$1\r\nx\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    "-ERR max number of clients reached\r\n",
  ]

  private func follow(
    greeting: String = "", answers: [String] = [], bytewise: Bool = false, reply: @escaping (String) -> String = { _ in "" },
    _ body: (Follower) throws -> Void
  ) throws {
    let follower = try Follower()
    let server = try FakeRedis(
      follower.loop, greeting: Array(greeting.utf8), answers: answers.map { Array($0.utf8) }, bytewise: bytewise, reply: reply)
    try follower.follow(RedisEndpoint(.tcp(host: "127.0.0.1", port: server.port)))
    try body(follower)
  }

  @Test(arguments: junk)
  func `Junk before anything was asked`(junk: Junk) throws {
    try follow(greeting: junk.text + junk.text) { follower in
      #expect(follower.wait { !follower.downs.isEmpty })
      #expect(!follower.isAlive)
    }
  }

  @Test(arguments: junk)
  func `Junk in place of an answer to SUBSCRIBE`(junk: Junk) throws {
    try follow(answers: [junk.text + junk.text]) { follower in
      #expect(follower.wait { !follower.downs.isEmpty })
      #expect(!follower.isAlive)
    }
  }

  @Test(arguments: junk, [false, true])
  func `Junk within a subscription`(junk: Junk, bytewise: Bool) throws {
    let pushed = Self.subscribed + Self.message + junk.text + junk.text
    // The connection that reads gets no answer, and so does not end the feed before the last byte is there.
    let reply = { (command: String) in command.contains("SUBSCRIBE") ? pushed : "" }
    try follow(bytewise: bytewise, reply: reply) { follower in
      #expect(follower.wait { !follower.downs.isEmpty })
      #expect(follower.entries.first == "hi")
      #expect(!follower.isAlive)
    }
  }

  @Test func `Noise ends the connection or waits for more`() throws {
    for seed: UInt64 in 0..<40 {
      var random = SplitMix(seed: seed)
      let alphabet = Array("*$+-:0123\r\n\r\n".utf8)
      let noise = (0..<400).map { _ in alphabet.randomElement(using: &random)! }
      try follow(answers: [Self.subscribed + String(decoding: noise, as: UTF8.self)]) { follower in
        #expect(follower.wait { !follower.downs.isEmpty })
      }
    }
  }

  @Test func `What the server says is made printable before it is passed on`() throws {
    try follow(answers: ["-ERR \u{1b}[2J\u{7}" + String(repeating: "x", count: 5_000) + "\r\n"]) { follower in
      #expect(follower.wait { !follower.downs.isEmpty })
      let reason = follower.downs.first ?? ""
      #expect(reason.utf8.count <= 260)
      #expect(reason.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
    }
  }

  @Test func `A server that accepts and says nothing counts as down after two seconds`() throws {
    try follow { follower in
      let start = follower.loop.now
      #expect(follower.wait { !follower.downs.isEmpty })
      #expect(follower.loop.now - start >= 1_900)
      #expect(follower.downs.first == "no connection within 2000 ms")
    }
  }

  @Test func `Nobody there is reported, again and again, with one connection at a time`() throws {
    let port = try TestRedis.freePort()
    let follower = try Follower(RedisEndpoint(.tcp(host: "127.0.0.1", port: port)))
    #expect(follower.wait { follower.downs.count == 4 })
    #expect(Set(follower.downs) == ["Connection refused"])
    #expect(follower.loop.channelCount <= 2)
    let nowhere = try Follower(RedisEndpoint(.unix(path: "/nonexistent/redis.sock")))
    #expect(nowhere.wait { nowhere.downs.count == 2 })
    #expect(nowhere.downs.first == "connect: No such file or directory")
    let long = try Follower(RedisEndpoint(.unix(path: "/" + String(repeating: "x", count: 107))))
    #expect(long.wait { long.downs.first == "connect: the path of the socket is too long" })
  }
}
