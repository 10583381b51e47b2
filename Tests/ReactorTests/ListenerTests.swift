import CLinux
import Foundation
import Reactor
import Testing

final class ListenerTests {
  private let loop: EventLoop

  init() throws { loop = try EventLoop() }

  deinit { loop.closeAll() }

  @Test(arguments: ["127.0.0.1", "::1"]) func `A client is accepted with its address`(host: String) throws {
    let listener = try TestListener(loop, host)
    defer { listener.end() }
    let client = try listener.connect()
    loop.turn(atMost: 1_000)
    let accepted = try #require(listener.connections.first)
    #expect(accepted.peer == Self.localAddress(client).peer)
    // It does not block.
    var byte: UInt8 = 0
    guard case .wouldBlock = Syscall.read(accepted.descriptor, &byte, 1) else {
      Issue.record("a read on an accepted connection blocks or fails")
      return
    }
    _ = close(client)
  }

  @Test func `A storm of clients is taken in batches while the loop is busy`() throws {
    let listener = try TestListener(loop, "127.0.0.1")
    let others = (0..<5).map { _ in Wire(loop) }
    defer {
      listener.end()
      for other in others { other.close() }
    }
    for other in others {
      try other.channel.register(.read)
      other.send()
    }
    let clients = try (0..<70).map { _ in try listener.connect() }
    loop.turn(atMost: 1_000)
    #expect(listener.connections.count == 64)
    loop.turn(atMost: 1_000)
    #expect(listener.connections.count == 70)
    for client in clients { _ = close(client) }
  }

  @Test func `In a quiet loop each client is taken in a turn of its own`() throws {
    let listener = try TestListener(loop, "127.0.0.1")
    defer { listener.end() }
    let clients = try (0..<3).map { _ in try listener.connect() }
    for taken in 1...3 {
      loop.turn(atMost: 1_000)
      #expect(listener.connections.count == taken)
    }
    for client in clients { _ = close(client) }
  }

  @Test func `Workers listen on one port side by side, and nobody else does`() throws {
    let first = try TestListener(loop, "127.0.0.1", reusePort: true)
    defer { first.end() }
    let second = try Listener.open(first.address, reusePort: true)
    _ = close(second)
    #expect(throws: Errno(EADDRINUSE)) { try Listener.open(first.address, reusePort: false) }
    #expect(throws: Errno(EADDRINUSE)) { try Listener.bound(first.address, reusePort: false) }
  }

  @Test func `Asking whether an address is free takes no connection`() throws {
    let address = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
    let asking = try Listener.bound(address, reusePort: false)
    defer { _ = close(asking) }
    var listens: Int32 = 1
    var size = socklen_t(MemoryLayout<Int32>.size)
    #expect(getsockopt(asking, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 0)
  }

  @Test func `A closed listener hears nothing of its duplicate`() throws {
    let listener = try TestListener(loop, "127.0.0.1")
    let address = listener.address
    let duplicate = gh_duplicate(listener.descriptor.raw)
    defer { _ = close(duplicate) }
    listener.close()
    let client = socket(AF_INET, gh_SOCK_STREAM, 0)
    defer { _ = close(client) }
    // It does not block; over loopback the connection is there all the same.
    _ = address.withPointer { connect(client, $0, $1) }
    loop.turn(atMost: 100)
    #expect(loop.eventCount == 0)
  }

  @Test func `A socket file that nobody answers on is replaced, and one in use is not`() throws {
    let path = NSTemporaryDirectory() + "gatehouse-\(UInt32.random(in: 0...UInt32.max)).sock"
    defer { unlink(path) }
    let address = try SocketAddress(unixPath: path)
    let first = try Listener.open(address, reusePort: false)
    #expect(throws: Errno(EADDRINUSE)) { try Listener.open(address, reusePort: false) }
    // As a crash leaves it. Shut down first, in case a process that is just being started holds a copy.
    _ = shutdown(first, Int32(SHUT_RDWR))
    _ = close(first)
    let second = try Listener.open(address, reusePort: false)
    _ = close(second)
  }

  @Test func `A file that is no socket is left alone`() throws {
    let path = NSTemporaryDirectory() + "gatehouse-\(UInt32.random(in: 0...UInt32.max)).txt"
    try Data("kept".utf8).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    #expect(throws: Errno(EADDRINUSE)) { try Listener.open(try SocketAddress(unixPath: path), reusePort: false) }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "kept")
  }

  @Test func `A client over a unix-domain socket has no address`() throws {
    let path = NSTemporaryDirectory() + "gatehouse-\(UInt32.random(in: 0...UInt32.max)).sock"
    defer { unlink(path) }
    let address = try SocketAddress(unixPath: path)
    let listener = TestListener(loop, address, descriptor: try Listener.open(address, reusePort: false))
    try listener.register(.read)
    defer { listener.end() }
    let client = try listener.connect()
    loop.turn(atMost: 1_000)
    #expect(listener.connections.first?.peer.isUnspecified == true)
    _ = close(client)
  }

  /// In a process of its own: the limit is the whole process's.
  @Test func `A shortage of descriptors pauses accepting, is told once, and passes`() async {
    await #expect(processExitsWith: .success) {
      let loop = try EventLoop()
      let listener = try TestListener(loop, "127.0.0.1")
      let clients = try (0..<3).map { _ in try listener.connect() }
      // All descriptors are used up but one.
      try ListenerTests.limitDescriptors(to: UInt(clients[2]) + 32)
      var taken: [Int32] = []
      while case let next = dup(0), next >= 0 { taken.append(next) }
      _ = close(taken.popLast() ?? -1)
      ListenerTests.turn(loop) { !listener.shortages.isEmpty }
      #expect(listener.shortages.first == Errno(EMFILE))
      #expect(listener.accepted < 3)
      // It rests: a level-triggered listener would be ready in every turn. How long it has rested by now is the machine's affair.
      #expect(listener.rests)
      // The pause passes, the shortage does not. It is told again only if it had passed: when somebody was accepted.
      for _ in 0..<2 {
        ListenerTests.turn(loop) { listener.interest == .read }
        loop.turn(atMost: 1_000)
      }
      #expect(listener.shortages.count <= listener.accepted + 1)
      #expect(listener.accepted < 3)
      // Descriptors come free, and those who waited are taken.
      ListenerTests.turn(loop) {
        listener.closeConnections()
        return listener.accepted == 3
      }
      #expect(listener.accepted == 3)
      listener.end()
      loop.closeAll()
      // The leak check at the process's end needs some as well.
      for descriptor in taken + clients { _ = close(descriptor) }
    }
  }

  private static func turn(_ loop: EventLoop, until condition: () -> Bool) {
    let end = Clock.monotonicNanoseconds() + 20_000_000_000
    while !condition(), Clock.monotonicNanoseconds() < end { loop.turn(atMost: 20) }
  }

  private static func limitDescriptors(to count: UInt) throws {
    var limit = rlimit(rlim_cur: count, rlim_max: count)
    _ = try Syscall.require { Int(setrlimit(__rlimit_resource_t(7), &limit)) }
  }

  static func localAddress(_ descriptor: Int32) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
    }
    return SocketAddress(storage: storage, length: length)
  }
}

/// A listener that keeps what it accepts.
private final class TestListener: Listener {
  let address: SocketAddress
  private(set) var connections: [(descriptor: Int32, peer: PeerAddress)] = []
  private(set) var accepted = 0
  private(set) var shortages: [Errno] = []
  private(set) var refusals = 0
  /// It has rested after each of its shortages.
  private(set) var rests = true

  init(_ loop: EventLoop, _ address: SocketAddress, descriptor: Int32) {
    self.address = address
    super.init(loop: loop, descriptor: descriptor)
  }

  /// On a port that the kernel picks, registered.
  convenience init(_ loop: EventLoop, _ host: String, reusePort: Bool = false) throws {
    let descriptor = try Listener.open(SocketAddress(literal: host, port: 0)!, reusePort: reusePort)
    self.init(loop, ListenerTests.localAddress(descriptor), descriptor: descriptor)
    try register(.read)
  }

  override func accepted(_ descriptor: Int32, from peer: PeerAddress) {
    accepted += 1
    connections.append((descriptor, peer))
  }

  override func exhausted(_ error: Errno, isNew: Bool) {
    refusals += 1
    if isNew { shortages.append(error) }
  }

  override func ready(_ readiness: Readiness) {
    let told = refusals
    super.ready(readiness)
    if refusals > told, interest != [] { rests = false }
  }

  func connect() throws -> Int32 {
    let descriptor = Int32(try Syscall.require { Int(socket(address.family, Int32(SOCK_STREAM.rawValue), 0)) })
    _ = try Syscall.require { address.withPointer { Int(CLinux.connect(descriptor, $0, $1)) } }
    return descriptor
  }

  func closeConnections() {
    for connection in connections { _ = CLinux.close(connection.descriptor) }
    connections = []
  }

  func end() {
    closeConnections()
    close()
  }
}
