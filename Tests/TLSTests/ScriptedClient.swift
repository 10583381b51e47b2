import COpenSSL

@testable import TLS

/// A client straight on OpenSSL, which does what ours never does: resume, offer old versions and odd protocols.
final class ScriptedClient {
  struct Script {
    var serverName: String?
    var protocols: [String] = []
    var maximumVersion: Int32?
    var session: OpaquePointer?
    var certificate: CertificateChain?
  }

  let sockets = SocketPair()
  let server: TestPeer
  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private(set) var error = ""
  private(set) var serverStep = TLSHandshakeStep.wantsRead
  private(set) var isDone = false

  init(_ script: Script = Script(), to serverContext: ServerTLSContext) throws {
    server = TestPeer(TLSConnection(accepting: serverContext, fd: sockets.descriptors[1]))
    context = SSL_CTX_new(TLS_client_method())
    if let version = script.maximumVersion {
      SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
      // TLS 1.0 and 1.1 need SHA-1 signatures, which the default level keeps from being offered at all.
      gh_SSL_CTX_set_min_proto_version(context, TLS1_VERSION)
      SSL_CTX_set_security_level(context, 0)
    }
    if let certificate = script.certificate { try certificate.install(in: context) }
    ssl = SSL_new(context)
    SSL_set_fd(ssl, sockets.descriptors[0])
    SSL_set_connect_state(ssl)
    if let name = script.serverName { gh_SSL_set_tlsext_host_name(ssl, name) }
    let wire = script.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    if !wire.isEmpty { SSL_set_alpn_protos(ssl, wire, UInt32(wire.count)) }
    if let session = script.session { SSL_set_session(ssl, session) }
    run()
  }

  deinit {
    SSL_free(ssl)
    SSL_CTX_free(context)
  }

  private func run() {
    var clientEnded = false
    for _ in 0..<20 {
      if !clientEnded {
        let result = SSL_do_handshake(ssl)
        if result == 1 {
          (clientEnded, isDone) = (true, true)
        } else if SSL_get_error(ssl, result) == SSL_ERROR_SSL {
          error = OpenSSLError.drain()
          clientEnded = true
        }
        ERR_clear_error()
      }
      if !serverStep.isFinal { serverStep = server.handshake() }
      if clientEnded && serverStep.isFinal { break }
    }
  }

  /// Common name of the certificate that the server showed.
  var serverCommonName: String {
    guard let certificate = SSL_get0_peer_certificate(ssl) else { return "" }
    return String(decoding: commonName(of: certificate) ?? [], as: UTF8.self)
  }

  var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// The session, with its ticket, which in TLS 1.3 comes after the handshake. Given back with `SSL_SESSION_free`.
  func session() -> OpaquePointer? {
    var byte: UInt8 = 0
    SSL_read(ssl, &byte, 1)
    ERR_clear_error()
    guard let session = SSL_get1_session(ssl), SSL_SESSION_is_resumable(session) == 1 else { return nil }
    return session
  }

  /// Asks for a renegotiation, which only TLS 1.2 has; whether the server went along.
  func renegotiate() -> Bool {
    SSL_renegotiate(ssl)
    for _ in 0..<6 {
      _ = SSL_do_handshake(ssl)
      ERR_clear_error()
      _ = server.read()
    }
    return SSL_renegotiate_pending(ssl) == 0 && SSL_is_init_finished(ssl) == 1
  }
}
