import CHiredis
import Foundation
import Reactor

/// A redis-server of our own on a loopback port, killed by its pid.
final class TestRedis {
  private(set) var port: UInt16
  private var arguments: [String]
  private var process: Process?
  private var context: UnsafeMutablePointer<redisContext>?

  /// Started and answering.
  init(_ more: [String] = []) throws {
    port = 0
    arguments = []
    var attempt = 1
    while true {
      port = try Self.freePort()
      arguments =
        ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", NSTemporaryDirectory()] + more
      do {
        try start()
        return
      } catch where attempt < 5 {
        // Somebody else was faster with the port.
        kill()
        attempt += 1
      }
    }
  }

  deinit { kill() }

  func start() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["redis-server"] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    self.process = process
    let end = Date(timeIntervalSinceNow: 30)
    while Date() < end, process.isRunning {
      context = redisConnect("127.0.0.1", Int32(port))
      if context?.pointee.err == 0 { return }
      redisFree(context)
      context = nil
      usleep(5_000)
    }
    throw Failure(description: "redis-server did not start")
  }

  /// As kill -9 does it.
  func kill() {
    redisFree(context)
    context = nil
    guard let process, process.isRunning else { return }
    Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    self.process = nil
  }

  /// Leaves the process and its sockets, but nobody answers.
  func suspend() { Glibc.kill(process!.processIdentifier, SIGSTOP) }
  func resume() { Glibc.kill(process!.processIdentifier, SIGCONT) }

  /// A command's answer: its text or number; an error is thrown.
  @discardableResult
  func run(_ words: String...) throws -> String { try run(words) }

  @discardableResult
  func run(_ words: [String]) throws -> String {
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    var pointers = copies.map { UnsafePointer($0) }
    guard let raw = redisCommandArgv(context, Int32(words.count), &pointers, words.map(\.utf8.count)) else {
      throw Failure(description: "no answer to \(words)")
    }
    defer { freeReplyObject(raw) }
    let reply = raw.assumingMemoryBound(to: redisReply.self).pointee
    let text = reply.str.map { String(cString: $0) } ?? String(reply.integer)
    if reply.type == REDIS_REPLY_ERROR { throw Failure(description: text) }
    return text
  }

  struct Failure: Error, CustomStringConvertible { let description: String }

  /// Free when asked, and below the ports that the kernel gives to clients: one of those could be taken by any connection
  /// while the server is not there.
  static func freePort() throws -> UInt16 {
    for _ in 0..<100 {
      let port = UInt16.random(in: 10_000..<32_768)
      let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(socket) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      address.sin_port = port.bigEndian
      let length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
      }
      if result == 0 { return port }
    }
    throw Failure(description: "no port")
  }
}
