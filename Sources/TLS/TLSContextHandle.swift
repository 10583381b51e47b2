import COpenSSL

/// Owns one `SSL_CTX` with what is the same on both sides of the gateway.
final class TLSContextHandle: @unchecked Sendable {
  let pointer: OpaquePointer

  init(server: Bool, minimumVersion: TLSVersion) throws(TLSConfigurationError) {
    ERR_clear_error()
    guard let pointer = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()) else {
      throw TLSConfigurationError("TLS cannot be set up (\(OpenSSLError.drain()))")
    }
    self.pointer = pointer
    let version = minimumVersion == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
    // AES-128 first, unlike OpenSSL: SHA-256 instead of SHA-384 in the handshake, and 10 rounds instead of 14.
    // TLS 1.2 keeps what has forward secrecy and authenticated encryption (RFC 9325 section 4.2).
    guard
      gh_SSL_CTX_set_min_proto_version(pointer, version) == 1,
      SSL_CTX_set_ciphersuites(pointer, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1,
      SSL_CTX_set_cipher_list(pointer, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1,
      gh_SSL_CTX_set1_groups_list(pointer, "X25519:P-256:P-384") == 1
    else { throw TLSConfigurationError("TLS cannot be set up (\(OpenSSLError.drain()))") }
    SSL_CTX_set_security_level(pointer, 2)
    SSL_CTX_set_options(pointer, gh_SSL_OP_NO_RENEGOTIATION | gh_SSL_OP_NO_COMPRESSION)
    // Writes come from a queue that moves in memory, and return after each record that left.
    gh_SSL_CTX_set_mode(pointer, Int(SSL_MODE_ENABLE_PARTIAL_WRITE) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
    // One read(2) takes in whatever came, instead of one for a record's five-byte header and one for its content.
    gh_SSL_CTX_set_read_ahead(pointer, 1)
    gh_SSL_CTX_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
  }

  deinit { SSL_CTX_free(pointer) }

  /// Makes `authorities`, and nothing else, the roots of peers' chains.
  func trust(_ authorities: CertificateAuthorities) {
    SSL_CTX_set1_cert_store(pointer, authorities.store)
  }
}
