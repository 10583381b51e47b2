import Bytes
import CLinux
import Development
import Foundation
import Reactor
import TLS
import Testing
import Transport

/// Writes down what a channel tells.
private final class Listening: SecureChannel {
  var events: [String] = []
  var pauses = false

  override func handshakeCompleted() { events.append("open") }

  override func received() {
    events.append("\(input.count) bytes")
    input.removeAll()
    if pauses { pauseReading() }
  }

  override func ended(clean: Bool) {
    events.append(clean ? "end" : "cut")
    close()
  }

  override func failed(_ failure: TransportFailure) {
    events.append("failed")
    close()
  }
}

/// Keeps what comes, and notes how much there is each time.
private final class Keeping: SecureChannel {
  var counts: [Int] = []

  /// Pauses where more has come than this.
  var most = Int.max
  private(set) var hasEnded = false

  override func received() {
    counts.append(input.count)
    if input.count > most { pauseReading() }
  }

  override func ended(clean: Bool) {
    hasEnded = true
    close()
  }

  override func failed(_ failure: TransportFailure) { close() }
}

/// Pauses and asks for more while it looks at what has come.
private final class Impatient: SecureChannel {
  var taken: [UInt8] = []
  var isOpened = false
  private var isLooking = false

  override func handshakeCompleted() { isOpened = true }

  override func received() {
    #expect(!isLooking, "told of the same bytes twice")
    isLooking = true
    let bytes = input.readable
    let before = Array(bytes)
    pauseReading()
    resumeReading()
    fill()
    deliverInput()
    #expect(bytes.elementsEqual(before) && input.count == before.count, "moved while they were looked at")
    isLooking = false
    // Part of it waits for more.
    let count = taken.isEmpty ? before.count - 1 : before.count
    taken += before.prefix(count)
    input.consume(count)
  }

  override func ended(clean: Bool) { close() }
  override func failed(_ failure: TransportFailure) { close() }
}

/// A client of `channel` in the same thread.
private final class Client {
  var tls: TLSConnection
  let socket: Int32

  init(_ tls: consuming TLSConnection, _ socket: Int32) {
    self.tls = tls
    self.socket = socket
  }

  deinit { close(socket) }

  func write(_ count: Int) {
    let bytes = [UInt8](repeating: 7, count: count)
    #expect(bytes.withUnsafeBytes { tls.write(from: $0.baseAddress!, count: count) } == .bytes(count))
  }
}

@Suite("Channels over TLS")
struct SecureChannelTests {
  private let loop: EventLoop
  private let channel: Listening
  private let client: Client
  private let server: ServerTLSContext
  private let authorities: CertificateAuthorities

  init() throws {
    let directory = NSTemporaryDirectory() + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let pki = DevelopmentPKI(directory: directory)
    _ = try pki.make()
    server = try ServerTLSContext(
      certificates: [CertificateChain(certificate: pki.path("edge.crt"), key: pki.path("edge.key"))], ticketKeys: TicketKeyRing())
    authorities = try CertificateAuthorities(path: pki.path("public-ca.crt"))
    loop = try EventLoop()
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &ends) == 0)
    channel = Listening(
      loop: loop, descriptor: ends[1], wire: Wire(TLSConnection(accepting: server, fd: ends[1]), descriptor: ends[1]),
      phase: .handshaking, buffers: BufferPool())
    client = Client(
      TLSConnection(connecting: try ClientTLSContext(authorities: authorities, host: "localhost"), fd: ends[0]), ends[0])
    try channel.register(.read)
    for _ in 0..<20 where channel.events.isEmpty {
      _ = client.tls.handshake()
      loop.turn(atMost: 0)
    }
    #expect(channel.events == ["open"])
    channel.events = []
  }

  @Test("what is looked at stays where it is, whoever asks for more meanwhile, and all that is at hand follows")
  func lent() throws {
    defer { loop.closeAll() }
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &ends) == 0)
    let impatient = Impatient(
      loop: loop, descriptor: ends[1], wire: Wire(TLSConnection(accepting: server, fd: ends[1]), descriptor: ends[1]), phase: .handshaking,
      buffers: BufferPool())
    let client = Client(
      TLSConnection(connecting: try ClientTLSContext(authorities: authorities, host: "localhost"), fd: ends[0]), ends[0])
    try impatient.register(.read)
    for _ in 0..<20 where !impatient.isOpened {
      _ = client.tls.handshake()
      loop.turn(atMost: 0)
    }
    for _ in 0..<5 { client.write(4_000) }
    loop.turn(atMost: 0)
    #expect(impatient.taken == [UInt8](repeating: 7, count: 20_000))
    #expect(!impatient.isReadingPaused)
    client.write(10)
    loop.turn(atMost: 0)
    #expect(impatient.taken.count == 20_010)
  }

  @Test("a record is handed over by itself")
  func single() {
    defer { loop.closeAll() }
    for _ in 0..<3 { client.write(100) }
    loop.turn(atMost: 0)
    #expect(channel.events == ["100 bytes", "100 bytes", "100 bytes"])
  }

  @Test("where messages share a connection, records that are at hand are handed over together")
  func together() {
    defer { loop.closeAll() }
    channel.gathersRecords = true
    for _ in 0..<20 { client.write(100) }
    loop.turn(atMost: 0)
    #expect(channel.events == ["2000 bytes"])
  }

  @Test("as far as there is room for them")
  func room() {
    defer { loop.closeAll() }
    channel.gathersRecords = true
    for _ in 0..<3 { client.write(16_000) }
    for _ in 0..<4 { loop.turn(atMost: 0) }
    #expect(channel.events.count > 1)
    #expect(channel.events.reduce(0) { $0 + Int($1.prefix { $0 != " " })! } == 48_000)
  }

  /// A queue that has grown has room for more than its owner wants to know of before it is asked again.
  @Test("without TLS no more is read at once than a record holds")
  func plain() throws {
    defer { loop.closeAll() }
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &ends) == 0)
    defer { close(ends[0]) }
    let keeping = Keeping(loop: loop, descriptor: ends[1], wire: Wire(plain: ends[1]), phase: .open, buffers: BufferPool())
    try keeping.register(.read)
    let bytes = [UInt8](repeating: 7, count: 150_000)
    #expect(send(ends[0], bytes, bytes.count, 0) == bytes.count)
    for _ in 0..<40 { loop.turn(atMost: 0) }
    #expect(keeping.counts.last == bytes.count)
    #expect(zip(keeping.counts, [0] + keeping.counts).allSatisfy { $0 - $1 <= BufferPool.blockSize })
  }

  /// A plain channel to which so much is on its way, and then the other end is closed altogether.
  private func abandoned(behind bytes: Int, _ change: (Keeping) -> Void) throws -> Keeping {
    var ends: [Int32] = [-1, -1]
    #expect(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &ends) == 0)
    let keeping = Keeping(loop: loop, descriptor: ends[1], wire: Wire(plain: ends[1]), phase: .open, buffers: BufferPool())
    change(keeping)
    try keeping.register(.read)
    #expect(send(ends[0], [UInt8](repeating: 7, count: bytes), bytes, 0) == bytes)
    while !keeping.isReadingPaused { loop.turn(atMost: 0) }
    close(ends[0])
    for _ in 0..<20 { loop.turn(atMost: 0) }
    return keeping
  }

  @Test("what a peer has sent before it went is read when there is room for it, and not told of again and again")
  func gone() throws {
    defer { loop.closeAll() }
    let keeping = try abandoned(behind: 150_000) { $0.most = 20_000 }
    #expect(keeping.isOpen)
    #expect(keeping.input.count <= 20_000 + BufferPool.blockSize)
    #expect(loop.eventCount == 0)
    keeping.most = .max
    keeping.resumeReading()
    for _ in 0..<20 where keeping.isOpen { loop.turn(atMost: 0) }
    #expect(keeping.counts.last == 150_000)
    #expect(keeping.hasEnded)
  }

  @Test("questions of a peer that has gone are kept up to the high-water mark")
  func unanswered() throws {
    defer { loop.closeAll() }
    let keeping = try abandoned(behind: 150_000) {
      $0.endsWithPeer = true
      $0.most = 20_000
    }
    #expect(!keeping.isOpen)
    #expect(keeping.counts.allSatisfy { $0 <= SecureChannel.highWater + BufferPool.blockSize })
  }

  @Test("what comes before the end is handed over before it is told")
  func end() {
    defer { loop.closeAll() }
    channel.gathersRecords = true
    client.write(10)
    client.write(10)
    client.tls.shutdown()
    loop.turn(atMost: 0)
    #expect(channel.events == ["20 bytes", "end"])
  }

  @Test("an end behind bytes that were enough for now is told when reading goes on, though the socket stays open")
  func paused() {
    defer { loop.closeAll() }
    channel.gathersRecords = true
    channel.pauses = true
    client.write(10)
    client.tls.shutdown()
    loop.turn(atMost: 0)
    loop.turn(atMost: 0)
    #expect(channel.events == ["10 bytes"])
    channel.pauses = false
    channel.resumeReading()
    #expect(channel.events == ["10 bytes", "end"])
  }
}
