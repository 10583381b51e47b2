import Bytes
import CLinux
import Reactor
import TLS
import Transport
import Upstream

/// A backend that does what a test tells it: accepts over mutual TLS, keeps what it is sent, answers as scripted.
final class TestBackend: Listener {
  let endpoint: Endpoint
  private let tls: ServerTLSContext
  private let buffers: BufferPool
  /// In the order of their arrival, closed ones included.
  private(set) var connections: [TestBackendConnection] = []
  /// Called when a connection has got bytes; by default every complete head is answered.
  var answer: (TestBackendConnection) -> Void = { connection in
    while connection.answerNext() {}
  }
  /// Takes requests and answers none, until `release`.
  func hold() { answer = { _ in } }

  /// Answers what was held, one request of each connection, and what comes from here on.
  func release() {
    answer = { $0.answerNext() }
    for connection in connections { connection.answerNext() }
  }

  /// Accept TCP and never speak.
  var isMute = false

  init(_ loop: EventLoop, _ buffers: BufferPool, name: String) throws {
    tls = try ServerTLSContext(
      certificates: [TestPKI.shared.chain(name)], protocols: [.http1_1, .h2], clientAuthentication: .required(TestPKI.shared.authorities),
      ticketKeys: TicketKeyRing())
    self.buffers = buffers
    let descriptor = try Listener.open(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false)
    let address = Self.localAddress(descriptor)
    endpoint = Endpoint(
      name: address.description, host: "127.0.0.1", port: address.peer.port, metricID: 0, addresses: [address])
    super.init(loop: loop, descriptor: descriptor)
    try register(.read)
  }

  override func accepted(_ descriptor: Int32, from peer: PeerAddress) {
    let connection = TestBackendConnection(
      loop: loop, descriptor: descriptor, wire: Wire(TLSConnection(accepting: tls, fd: descriptor), descriptor: descriptor),
      phase: .handshaking,
      buffers: buffers)
    connection.backend = self
    try? connection.register(isMute ? [] : .read)
    connections.append(connection)
  }

  var received: [String] { connections.map(\.text) }

  static func localAddress(_ descriptor: Int32) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
    }
    return SocketAddress(storage: storage, length: length)
  }
}

/// One connection on the backend's side.
final class TestBackendConnection: SecureChannel {
  weak var backend: TestBackend?
  /// All that came, and the same as text.
  private(set) var bytes: [UInt8] = []
  private(set) var text = ""
  private(set) var isEstablished = false
  private var taken = 0
  /// For backends that answer once.
  var isAnswered = false
  private var endsWhenWritten = false

  /// Says goodbye when all has been written, and closes when the peer does: nothing of it is lost.
  func sayGoodbye() {
    endsWhenWritten = true
    sayGoodbyeIfWritten()
  }

  private func sayGoodbyeIfWritten() {
    guard isOpen, endsWhenWritten, output.isEmpty else { return }
    endsWhenWritten = false
    wire.shutdown()
  }

  override func ready(_ readiness: Readiness) {
    super.ready(readiness)
    sayGoodbyeIfWritten()
  }

  override func handshakeCompleted() { isEstablished = true }
  override func handshakeFailed(_ failure: TransportFailure) { close() }
  override func ended(clean: Bool) { close() }
  override func failed(_ failure: TransportFailure) { close() }

  override func received() {
    bytes += input.readable
    text += String(decoding: input.readable, as: UTF8.self)
    input.removeAll()
    backend?.answer(self)
  }

  /// The next request's head, once it is there. Content is left to the test.
  func takeHead() -> String? {
    let rest = Array(text.utf8.dropFirst(taken))
    let mark = Array("\r\n\r\n".utf8)
    guard rest.count >= mark.count,
      let end = (0...(rest.count - mark.count)).first(where: { rest[$0..<($0 + mark.count)].elementsEqual(mark) })
    else { return nil }
    taken += end + mark.count
    return String(decoding: rest[..<(end + mark.count)], as: UTF8.self)
  }

  /// Answers the next request, if it is there.
  @discardableResult
  func answerNext() -> Bool {
    guard takeHead() != nil else { return false }
    write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return true
  }

  func write(_ text: String) { write(Array(text.utf8)) }

  func write(_ bytes: [UInt8]) {
    guard isOpen else { return }
    output.borrow(from: buffers)
    output.append(bytes)
    flush()
  }

  /// Says goodbye and closes.
  func end() {
    guard isOpen else { return }
    wire.shutdown()
    close()
  }
}
