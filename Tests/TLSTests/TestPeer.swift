import TLS

/// A TLSConnection behind a reference, so that tests can hold two of them.
final class TestPeer {
  private var tls: TLSConnection

  init(_ tls: consuming TLSConnection) { self.tls = tls }

  func handshake() -> TLSHandshakeStep { tls.handshake() }
  func write(_ bytes: [UInt8]) -> TLSResult { bytes.withUnsafeBytes { tls.write(from: $0.baseAddress!, count: $0.count) } }
  func write(_ text: String) -> TLSResult { write(Array(text.utf8)) }
  func shutdown() { tls.shutdown() }
  func releaseBuffers() -> Bool { tls.releaseBuffers() }

  func read(upTo count: Int = 65_536) -> (result: TLSResult, bytes: [UInt8]) {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = bytes.withUnsafeMutableBytes { tls.read(into: $0.baseAddress!, count: $0.count) }
    if case .bytes(let got) = result { return (result, Array(bytes[0..<got])) }
    return (result, [])
  }

  func readText() -> String { String(decoding: read().bytes, as: UTF8.self) }

  var failure: TLSFailure? { tls.failure }
  var hasPending: Bool { tls.hasPending }
  var negotiatedProtocol: ApplicationProtocol { tls.negotiatedProtocol }
  var version: String { tls.version.description }
  var isResumed: Bool { tls.isResumed }
  var peerIdentity: PeerIdentity? { tls.peerIdentity }
}

/// A client and a server joined by a socket pair, driven by turns in one thread.
final class TestLink {
  let sockets = SocketPair()
  let client: TestPeer
  let server: TestPeer

  init(_ client: ClientTLSContext, _ server: ServerTLSContext) {
    self.client = TestPeer(TLSConnection(connecting: client, fd: sockets.descriptors[0]))
    self.server = TestPeer(TLSConnection(accepting: server, fd: sockets.descriptors[1]))
  }

  /// Runs both handshakes until each is done or has failed.
  @discardableResult
  func handshake() -> (client: TLSHandshakeStep, server: TLSHandshakeStep) {
    var steps = (client: client.handshake(), server: server.handshake())
    for _ in 0..<20 where !(steps.client.isFinal && steps.server.isFinal) {
      if !steps.client.isFinal { steps.client = client.handshake() }
      // Nobody is left to answer: as when a worker closes the failed connection.
      if case .failed = steps.client { sockets.close(0) }
      if !steps.server.isFinal { steps.server = server.handshake() }
      if case .failed = steps.server { sockets.close(1) }
    }
    return steps
  }
}

extension TLSHandshakeStep {
  var isFinal: Bool {
    switch self {
    case .done, .failed: return true
    case .wantsRead, .wantsWrite: return false
    }
  }

  /// The kind of failure; nil when it did not fail.
  var failureKind: TLSFailure.Kind? {
    if case .failed(let failure) = self { return failure.kind }
    return nil
  }
}
