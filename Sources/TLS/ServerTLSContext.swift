import CLinux
import COpenSSL

/// How one listener speaks TLS to clients: its certificates, protocols, client authentication and tickets. Immutable.
///
/// A reload makes a new one and hands it the same `TicketKeyRing`. Connections keep theirs alive.
package final class ServerTLSContext: @unchecked Sendable {
  package let certificates: [CertificateChain]
  package let clientAuthentication: ClientAuthentication
  package let minimumVersion: TLSVersion
  private let ring: TicketKeyRing
  private let names: ServerNameTable
  /// One for each certificate, the same in all else; a connection begins with the first and SNI may change it.
  private let handles: [TLSContextHandle]
  /// ALPN's list, in the order of preference; OpenSSL keeps pointing into it while a handshake runs.
  private let protocols: UnsafeMutableBufferPointer<UInt8>

  /// - Parameters:
  ///   - certificates: at least one; the first is for clients whose SNI names none of them.
  ///   - protocols: what ALPN may choose, preferred first. A client that offers only others is refused
  ///     (no_application_protocol, RFC 7301 section 3.2); one that offers nothing gets `ApplicationProtocol.none`.
  package init(
    certificates: [CertificateChain], minimumVersion: TLSVersion = .tls12, protocols: [ApplicationProtocol] = [.http1_1],
    clientAuthentication: ClientAuthentication = .none, ticketKeys: TicketKeyRing
  ) throws(TLSConfigurationError) {
    if certificates.isEmpty { throw TLSConfigurationError("a listener needs a certificate") }
    var handles: [TLSContextHandle] = []
    for certificate in certificates {
      let handle = try TLSContextHandle(server: true, minimumVersion: minimumVersion)
      try certificate.install(in: handle.pointer)
      handles.append(handle)
    }
    self.certificates = certificates
    self.clientAuthentication = clientAuthentication
    self.minimumVersion = minimumVersion
    self.handles = handles
    ring = ticketKeys
    names = ServerNameTable(names: certificates.map(\.dnsNames))
    let wire = ApplicationProtocol.wireFormat(protocols)
    self.protocols = .allocate(capacity: wire.count)
    _ = self.protocols.initialize(from: wire)
    for handle in handles { try configure(handle) }
  }

  deinit { protocols.deallocate() }

  /// The `SSL_CTX` that a new connection begins with.
  var initial: OpaquePointer { handles[0].pointer }

  /// Everything here is set on each certificate's `SSL_CTX`: after SNI OpenSSL takes some of it from the chosen one (the trust
  /// store, ALPN) and some from the first (tickets).
  private func configure(_ handle: TLSContextHandle) throws(TLSConfigurationError) {
    let context = handle.pointer
    let unretained = Unmanaged.passUnretained(self).toOpaque()
    SSL_CTX_set_options(context, gh_SSL_OP_CIPHER_SERVER_PREFERENCE | gh_SSL_OP_PRIORITIZE_CHACHA)
    SSL_CTX_set_verify(context, clientAuthentication.verifyMode, nil)
    if let authorities = clientAuthentication.authorities {
      handle.trust(authorities)
      for certificate in authorities.certificates { SSL_CTX_add_client_CA(context, certificate) }
      SSL_CTX_set_session_ticket_cb(context, nil, ServerTLSContext.ticketOpened, nil)
    }
    let sessionContext = clientAuthentication.sessionContext
    SSL_CTX_set_session_id_context(context, sessionContext, UInt32(sessionContext.count))
    // Each ticket costs the server about 50 µs (two, OpenSSL's default, 105 µs); clients that want more connections at
    // once do a full handshake for them.
    SSL_CTX_set_num_tickets(context, 1)
    SSL_CTX_set_timeout(context, Int(ring.ticketLifetime))
    // `ex_data` 0 is the application's. Unretained: a connection, the only one to call back, holds `self`.
    SSL_CTX_set_ex_data(context, 0, unretained)
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ServerTLSContext.ticketKey)
    if handles.count > 1 { gh_SSL_CTX_set_servername_callback(context, ServerTLSContext.serverName, unretained) }
    if protocols.count > 0 { SSL_CTX_set_alpn_select_cb(context, ServerTLSContext.selectProtocol, unretained) }
  }

  // MARK: Called by OpenSSL, within a handshake, on the connection's worker.

  private static let serverName:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _, argument in
      guard let ssl, let argument, let text = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
        return SSL_TLSEXT_ERR_NOACK
      }
      let context = Unmanaged<ServerTLSContext>.fromOpaque(argument).takeUnretainedValue()
      guard let index = context.names.index(for: String(cString: text)) else { return SSL_TLSEXT_ERR_NOACK }
      if index > 0 && SSL_set_SSL_CTX(ssl, context.handles[index].pointer) == nil { return SSL_TLSEXT_ERR_ALERT_FATAL }
      return SSL_TLSEXT_ERR_OK
    }

  private static let selectProtocol:
    @convention(c) (
      OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?, UInt32,
      UnsafeMutableRawPointer?
    ) -> Int32 = { _, chosen, chosenCount, offered, offeredCount, argument in
      guard let chosen, let offered, let argument else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      let ours = Unmanaged<ServerTLSContext>.fromOpaque(argument).takeUnretainedValue().protocols
      var selected: UnsafeMutablePointer<UInt8>?
      let result = SSL_select_next_proto(&selected, chosenCount, ours.baseAddress, UInt32(ours.count), offered, offeredCount)
      guard result == OPENSSL_NPN_NEGOTIATED, let selected else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      chosen.pointee = UnsafePointer(selected)
      return SSL_TLSEXT_ERR_OK
    }

  private static let ticketKey:
    @convention(c) (
      OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?, Int32
    ) -> Int32 = { ssl, name, iv, cipher, mac, sealing in
      guard let ssl, let name, let iv, let cipher, let mac, let argument = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0) else {
        return -1
      }
      let ring = Unmanaged<ServerTLSContext>.fromOpaque(argument).takeUnretainedValue().ring
      return ring.prepare(
        name: name, iv: iv, cipher: cipher, mac: mac, sealing: sealing != 0, isTLS13: SSL_version(ssl) == TLS1_3_VERSION)
    }

  /// A resumed session does not show its client certificate again, so its validity is looked at here: past it, the ticket
  /// counts for nothing and a full handshake judges the client anew.
  private static let ticketOpened:
    @convention(c) (
      OpaquePointer?, OpaquePointer?, UnsafePointer<UInt8>?, Int, Int32, UnsafeMutableRawPointer?
    ) -> Int32 = { _, session, _, _, status, _ in
      guard status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW, let session else {
        return SSL_TICKET_RETURN_IGNORE_RENEW
      }
      if let certificate = SSL_SESSION_get0_peer(session) {
        // 0 is an error, 1 is later than now.
        guard X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0 else { return SSL_TICKET_RETURN_IGNORE_RENEW }
      }
      return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
    }
}
