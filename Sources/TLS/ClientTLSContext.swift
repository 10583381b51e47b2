import COpenSSL

/// How the gateway speaks TLS to one backend: its own certificate, the CA it believes, whom it expects. Immutable.
package final class ClientTLSContext: @unchecked Sendable {
  let handle: TLSContextHandle
  /// Nil for peers that ask for none: identity providers, not backends.
  package let certificate: CertificateChain?
  package let policy: PeerPolicy
  /// Sent as SNI (RFC 6066 section 3); nil sends none.
  package let serverName: String?
  /// SHA-256 of the gateway's certificate, 32 bytes; empty without one.
  package let thumbprint: [UInt8]
  /// The same in base64url, 43 bytes: the internal token's `cnf.x5t#S256`.
  package let thumbprintText: [UInt8]

  /// - Parameters:
  ///   - serverName: the SNI, and the name the backend's certificate must be for when `identities` is empty.
  ///   - identities: SPIFFE IDs, one of which the backend's certificate must carry.
  ///   - protocols: offered by ALPN in this order; empty offers nothing.
  /// - Throws: also when neither a server name nor identities are given: any certificate of the CA would then do.
  package init(
    certificate: CertificateChain, authorities: CertificateAuthorities, serverName: String?, identities: [String],
    protocols: [ApplicationProtocol] = [.http1_1], minimumVersion: TLSVersion = .tls12
  ) throws(TLSConfigurationError) {
    let handle = try TLSContextHandle(server: false, minimumVersion: minimumVersion)
    if !identities.isEmpty {
      policy = .spiffe(identities)
    } else if let serverName, !serverName.isEmpty, !serverName.utf8.contains(0) {
      policy = .serverName(serverName)
    } else {
      throw TLSConfigurationError("a backend needs `server_name` or `identities`")
    }
    self.handle = handle
    self.certificate = certificate
    self.serverName = serverName.flatMap { PeerPolicy.isAddress($0) || $0.isEmpty ? nil : $0 }
    thumbprint = certificate.thumbprint
    thumbprintText = certificate.thumbprintText
    try certificate.install(in: handle.pointer)
    handle.trust(authorities)
    try Self.finish(handle, protocols)
  }

  /// For a server of the public kind: an identity provider. HTTP/1.1 only.
  ///
  /// - Parameters:
  ///   - authorities: nil believes the system's roots, which are for this and nothing else.
  ///   - host: a DNS name or an IP address that the server's certificate must be for.
  ///   - certificate: for a server that asks who the gateway is (RFC 8705 section 2).
  package init(
    authorities: CertificateAuthorities?, host: String, certificate: CertificateChain? = nil
  ) throws(TLSConfigurationError) {
    guard !host.isEmpty, !host.utf8.contains(0) else { throw TLSConfigurationError("the server's name is missing") }
    handle = try TLSContextHandle(server: false, minimumVersion: .tls12)
    policy = .serverName(host)
    serverName = PeerPolicy.isAddress(host) ? nil : host
    self.certificate = certificate
    thumbprint = certificate?.thumbprint ?? []
    thumbprintText = certificate?.thumbprintText ?? []
    try certificate?.install(in: handle.pointer)
    if let authorities {
      handle.trust(authorities)
    } else {
      ERR_clear_error()
      guard SSL_CTX_set_default_verify_paths(handle.pointer) == 1 else {
        throw TLSConfigurationError("the system's roots cannot be read (\(OpenSSLError.drain()))")
      }
    }
    try Self.finish(handle, [.http1_1])
  }

  private static func finish(_ handle: TLSContextHandle, _ protocols: [ApplicationProtocol]) throws(TLSConfigurationError) {
    // The chain, its times and its purpose (TLS server) are OpenSSL's to check; the name is ours, in `TLSConnection`.
    SSL_CTX_set_verify(handle.pointer, SSL_VERIFY_PEER, nil)
    // Connections to backends are kept and used again, so sessions are not: a ticket would be parsed and thrown away.
    SSL_CTX_set_options(handle.pointer, gh_SSL_OP_NO_TICKET)
    let wire = ApplicationProtocol.wireFormat(protocols)
    // Unlike its siblings this one returns 0 when it succeeds.
    if !wire.isEmpty && SSL_CTX_set_alpn_protos(handle.pointer, wire, UInt32(wire.count)) != 0 {
      throw TLSConfigurationError("TLS cannot be set up (\(OpenSSLError.drain()))")
    }
  }
}
