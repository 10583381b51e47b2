import CLinux
import COpenSSL

/// How one listener speaks TLS to clients: its certificates, protocols, client authentication and tickets. Immutable.
///
/// A reload makes a new one and hands it the same `TicketKeyRing`. Connections keep theirs alive.
package final class ServerTLSContext: Sendable {
  package let certificates: [CertificateChain]
  package let clientAuthentication: ClientAuthentication
  package let minimumVersion: TLSVersion
  let rules: HandshakeRules
  /// What the callbacks find `rules` by.
  let number: UInt

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
    rules = HandshakeRules(
      ring: ticketKeys, names: ServerNameTable(names: certificates.map(\.dnsNames)), handles: handles, protocols: protocols)
    number = HandshakeRegistry.add(rules)
    for handle in handles { configure(handle) }
  }

  deinit { HandshakeRegistry.remove(number) }

  /// The `SSL_CTX` that a new connection begins with.
  var initial: OpaquePointer { rules.handles[0].pointer }

  /// Everything here is set on each certificate's `SSL_CTX`: after SNI OpenSSL takes some of it from the chosen one (the trust
  /// store, ALPN) and some from the first (tickets).
  private func configure(_ handle: TLSContextHandle) {
    let context = handle.pointer
    let argument = UnsafeMutableRawPointer(bitPattern: number)
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
    SSL_CTX_set_timeout(context, Int(rules.ring.ticketLifetime))
    // `ex_data` 0 is the application's.
    SSL_CTX_set_ex_data(context, 0, argument)
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ServerTLSContext.ticketKey)
    if rules.handles.count > 1 { gh_SSL_CTX_set_servername_callback(context, ServerTLSContext.serverName, argument) }
    if rules.choosesProtocol { SSL_CTX_set_alpn_select_cb(context, ServerTLSContext.selectProtocol, argument) }
  }

  // MARK: Called by OpenSSL, within a handshake, on the connection's worker.

  private static func rules(_ argument: UnsafeMutableRawPointer?) -> HandshakeRules? {
    HandshakeRegistry.find(UInt(bitPattern: argument))
  }

  private static let serverName:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _, argument in
      guard let ssl, let rules = rules(argument), let text = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
        return SSL_TLSEXT_ERR_NOACK
      }
      guard let index = rules.names.index(for: String(cString: text)), index < rules.handles.count else { return SSL_TLSEXT_ERR_NOACK }
      if index > 0 && SSL_set_SSL_CTX(ssl, rules.handles[index].pointer) == nil { return SSL_TLSEXT_ERR_ALERT_FATAL }
      return SSL_TLSEXT_ERR_OK
    }

  private static let selectProtocol:
    @convention(c) (
      OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?, UInt32,
      UnsafeMutableRawPointer?
    ) -> Int32 = { _, chosen, chosenCount, offered, offeredCount, argument in
      guard let chosen, let chosenCount, let offered, let rules = rules(argument),
        let place = rules.choose(among: UnsafeBufferPointer(start: offered, count: Int(offeredCount)).span)
      else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      // In the client's own list, which stays for as long as OpenSSL needs it: it copies what was chosen.
      chosen.pointee = offered + place.lowerBound
      chosenCount.pointee = UInt8(truncatingIfNeeded: place.count)
      return SSL_TLSEXT_ERR_OK
    }

  private static let ticketKey:
    @convention(c) (
      OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?, Int32
    ) -> Int32 = { ssl, name, iv, cipher, mac, sealing in
      guard let ssl, let name, let iv, let cipher, let mac, let rules = rules(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0)) else {
        return -1
      }
      return rules.ring.prepare(
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
