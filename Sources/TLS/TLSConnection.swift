import CLinux
import COpenSSL

/// One TLS connection over a non-blocking socket.
///
/// Belongs to one worker: no call may overlap another on the same connection. The socket is the owner's: it is closed by
/// its owner after the connection is gone, and SIGPIPE has to be ignored by the process. Nothing here blocks or waits.
///
/// OpenSSL keeps one error queue a thread. The hot calls neither clear it nor trust it: whether a call only has to wait is
/// read off the connection itself, so an error that somebody left there does not bring down a healthy connection.
package struct TLSConnection: ~Copyable {
  /// Nil when OpenSSL had no memory for it; `handshake` then says so.
  private let ssl: OpaquePointer?
  /// Keeps the callbacks' context alive as long as `ssl` may call them.
  private let server: ServerTLSContext?
  private let client: ClientTLSContext?
  /// Why the connection failed, once a call has returned `failed`.
  package private(set) var failure: TLSFailure?
  /// The peer's certificate, once the handshake is done; nil when it showed none.
  package private(set) var peerIdentity: PeerIdentity?
  private var isEstablished = false
  private var hasSentClose = false
  private var isUnwritable = false

  /// The server's side of a connection that was accepted.
  package init(accepting context: ServerTLSContext, fd: Int32) {
    server = context
    client = nil
    ssl = Self.make(context.initial, fd)
    if let ssl { SSL_set_accept_state(ssl) }
  }

  /// The client's side of a connection to a backend.
  ///
  /// - Parameter only: the one protocol to offer, in place of all that the context has.
  package init(connecting context: ClientTLSContext, fd: Int32, only: ApplicationProtocol? = nil) {
    server = nil
    client = context
    var made = Self.make(context.handle.pointer, fd)
    if let ssl = made {
      SSL_set_connect_state(ssl)
      let wire = only.map { ApplicationProtocol.wireFormat([$0]) } ?? []
      // Unlike its siblings this one returns 0 when it succeeds.
      let isOffered = wire.isEmpty || SSL_set_alpn_protos(ssl, wire, UInt32(wire.count)) == 0
      let isNamed = context.serverName.map { gh_SSL_set_tlsext_host_name(ssl, $0) == 1 } ?? true
      if !isOffered || !isNamed {
        SSL_free(ssl)
        ERR_clear_error()
        made = nil
      }
    }
    ssl = made
  }

  deinit { SSL_free(ssl) }

  private static func make(_ context: OpaquePointer, _ fd: Int32) -> OpaquePointer? {
    guard let ssl = SSL_new(context) else {
      ERR_clear_error()
      return nil
    }
    guard let bio = SocketBIO.make(fd) else {
      SSL_free(ssl)
      ERR_clear_error()
      return nil
    }
    // One for both directions: `ssl` owns it once.
    SSL_set_bio(ssl, bio, bio)
    return ssl
  }

  // MARK: Handshake

  /// Takes the handshake as far as the socket lets it. `done` comes after the peer's chain and name were both found good:
  /// until then no application data may be written. After `done` it answers `done`.
  package mutating func handshake() -> TLSHandshakeStep {
    if isEstablished { return .done }
    if let failure { return .failed(failure) }
    guard let ssl else { return fail(.internalError, "out of memory") }
    // A cold path, so the queue can be emptied first and its text then belongs to this handshake.
    ERR_clear_error()
    SocketBIO.begin(SSL_get_rbio(ssl), SocketBIO.mostOfHandshake)
    let result = SSL_do_handshake(ssl)
    let systemError = gh_errno()
    if result == 1 { return finish(ssl) }
    if Self.waits(ssl, SSL_READING) { return .wantsRead }
    if Self.waits(ssl, SSL_WRITING) { return .wantsWrite }
    let failure = Self.classify(ssl, systemError, duringHandshake: true)
    self.failure = failure
    return .failed(failure)
  }

  private mutating func finish(_ ssl: OpaquePointer) -> TLSHandshakeStep {
    let certificate = SSL_get0_peer_certificate(ssl)
    if let client {
      // OpenSSL has verified the chain, or the handshake would have failed. Asked once more because all depends on it.
      guard let certificate, SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
        return fail(.certificateInvalid, "the peer's certificate was not verified")
      }
      if let refusal = client.policy.refusal(of: certificate) { return fail(.identity, refusal) }
    }
    if let certificate { peerIdentity = PeerIdentity(certificate: certificate) }
    isEstablished = true
    return .done
  }

  private mutating func fail(_ kind: TLSFailure.Kind, _ detail: String) -> TLSHandshakeStep {
    let failure = TLSFailure(kind, detail)
    self.failure = failure
    return .failed(failure)
  }

  // MARK: Data

  /// Reads up to `count` bytes of application data, of one record at most. When it returned bytes, ask `hasPending` before
  /// waiting for the socket: the rest may be in memory already.
  /// - Parameter count: at least 1.
  package mutating func read(into buffer: UnsafeMutableRawPointer, count: Int) -> TLSResult {
    guard isEstablished else { return .failed }
    SocketBIO.begin(SSL_get_rbio(ssl), SocketBIO.most)
    let result = SSL_read(ssl, buffer, Int32(truncatingIfNeeded: min(count, Int(Int32.max))))
    if result > 0 { return .bytes(Int(result)) }
    return explain()
  }

  /// Writes up to `count` bytes; the answer says how many left, which may be fewer. After `wantsWrite` or `wantsRead`
  /// the next write must offer the same bytes first, and no fewer.
  /// - Parameter count: at least 1.
  package mutating func write(from buffer: UnsafeRawPointer, count: Int) -> TLSResult {
    guard isEstablished else { return .failed }
    let result = SSL_write(ssl, buffer, Int32(truncatingIfNeeded: min(count, Int(Int32.max))))
    if result > 0 { return .bytes(Int(result)) }
    return explainWriting()
  }

  /// What stopped a write that moved nothing.
  @inline(never)
  private mutating func explainWriting() -> TLSResult {
    let systemError = gh_errno()
    // The socket's fault alone: for OpenSSL nothing has happened yet, and it reads on.
    let hasGone = systemError == EPIPE || systemError == ECONNRESET
    guard failure == nil, hasGone, ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_SSL else {
      gh_set_errno(systemError)
      return explain()
    }
    ERR_clear_error()
    isUnwritable = true
    return .unwritable
  }

  /// Whether bytes from the socket wait in memory, decrypted or not. epoll knows nothing of them.
  package var hasPending: Bool { SSL_has_pending(ssl) == 1 }

  /// What stopped a read or write that moved nothing.
  @inline(never)
  private mutating func explain() -> TLSResult {
    let systemError = gh_errno()
    guard let ssl, failure == nil else { return .failed }
    if Self.waits(ssl, SSL_READING) { return .wantsRead }
    if Self.waits(ssl, SSL_WRITING) { return .wantsWrite }
    let last = ERR_peek_last_error()
    let isTLSError = last != 0 && ERR_GET_LIB(last) == ERR_LIB_SSL
    // A fatal alert sets RECEIVED_SHUTDOWN as well, and leaves an error behind; close_notify does not.
    if !isTLSError && SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 {
      ERR_clear_error()
      return .closed(clean: true)
    }
    if last == 0, systemError == 0, SocketBIO.hasEnded(SSL_get_rbio(ssl)) { return .closed(clean: false) }
    failure = Self.classify(ssl, systemError, duringHandshake: false)
    return .failed
  }

  // MARK: End

  /// Sends close_notify, once. It goes out at once or, when the socket is full, not at all: nobody waits to say goodbye.
  package mutating func shutdown() {
    guard isEstablished, !hasSentClose, !isUnwritable, failure == nil, let ssl else { return }
    hasSentClose = true
    if SSL_shutdown(ssl) < 0 { ERR_clear_error() }
  }

  /// Gives the record buffers (up to 33 KiB) back until the next read or write; for a connection that goes idle. Does nothing,
  /// and answers false, while they hold something.
  @discardableResult
  package mutating func releaseBuffers() -> Bool {
    // OpenSSL looks at unread records only; decrypted data that was read in part stands in the same buffer.
    guard isEstablished, let ssl, SSL_has_pending(ssl) == 0 else { return false }
    return SSL_free_buffers(ssl) == 1
  }

  // MARK: What was negotiated

  package var negotiatedProtocol: ApplicationProtocol {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    let bytes = UnsafeBufferPointer(start: name, count: Int(count))
    if bytes.elementsEqual(UnsafeBufferPointer(start: ApplicationProtocol.h2.identifier.utf8Start, count: 2)) { return .h2 }
    // Nothing else but http/1.1 is ever in our lists.
    return bytes.isEmpty ? .none : .http1_1
  }

  package var version: StaticString { isTLS13 ? "TLSv1.3" : "TLSv1.2" }

  package var isTLS13: Bool { ssl != nil && SSL_version(ssl) == TLS1_3_VERSION }

  /// Whether a ticket spared the full handshake.
  package var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// SHA-256 of the peer's certificate, 32 bytes.
  package var peerThumbprint: [UInt8]? { peerIdentity?.thumbprint }

  // MARK: Reading failures

  /// Whether the last call stopped only because the socket would have blocked in this direction.
  private static func waits(_ ssl: OpaquePointer, _ direction: Int32) -> Bool {
    guard SSL_want(ssl) == direction else { return false }
    let bio = direction == SSL_READING ? SSL_get_rbio(ssl) : SSL_get_wbio(ssl)
    return BIO_test_flags(bio, BIO_FLAGS_SHOULD_RETRY) != 0
  }

  /// Sorts a fatal error, and leaves the queue empty.
  private static func classify(_ ssl: OpaquePointer, _ systemError: Int32, duringHandshake: Bool) -> TLSFailure {
    let last = ERR_peek_last_error()
    let reason = ERR_GET_REASON(last)
    let text = OpenSSLError.drain()
    guard last != 0, ERR_GET_LIB(last) == ERR_LIB_SSL else {
      if last != 0 { return TLSFailure(.protocolViolation, text) }
      if systemError == 0 {
        return TLSFailure(.closed, "the peer closed " + (duringHandshake ? "during the handshake" : "without close_notify"))
      }
      return TLSFailure(.io, String(cString: strerror(systemError)))
    }
    switch reason {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return certificateFailure(ssl)
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLSFailure(.certificateMissing, "the peer sent no certificate")
    case SSL_AD_REASON_OFFSET...(SSL_AD_REASON_OFFSET + 255): return TLSFailure(.refusedByPeer, text)
    default: return TLSFailure(.protocolViolation, text)
    }
  }

  private static func certificateFailure(_ ssl: OpaquePointer) -> TLSFailure {
    let result = SSL_get_verify_result(ssl)
    let text = X509_verify_cert_error_string(result).map { String(cString: $0) } ?? "error \(result)"
    switch Int32(truncatingIfNeeded: result) {
    case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: return TLSFailure(.certificateExpired, text)
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return TLSFailure(.certificateUnknownAuthority, text)
    default: return TLSFailure(.certificateInvalid, text)
    }
  }
}
