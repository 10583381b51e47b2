import COpenSSL

/// Whether clients at the edge show certificates, and whose are believed.
package enum ClientAuthentication: Sendable {
  case none
  /// Asked for; absent is fine, wrong is not.
  case optional(CertificateAuthorities)
  case required(CertificateAuthorities)

  var authorities: CertificateAuthorities? {
    switch self {
    case .none: return nil
    case .optional(let authorities), .required(let authorities): return authorities
    }
  }

  /// SHA-256 of the certificates that clients' chains may end at.
  package var thumbprints: Set<[UInt8]> { authorities?.thumbprints ?? [] }

  package var isRequired: Bool { if case .required = self { true } else { false } }

  var verifyMode: Int32 {
    switch self {
    case .none: return SSL_VERIFY_NONE
    case .optional: return SSL_VERIFY_PEER
    case .required: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    }
  }

  /// Goes into every session: one begun under other rules, or under another CA file, is not resumed under these, where the
  /// client's certificate would not be asked for again. 32 bytes, the most OpenSSL takes.
  var sessionContext: [UInt8] {
    switch self {
    case .none: return sha256(Array("client_auth none".utf8))
    case .optional(let authorities): return sha256(Array("client_auth optional".utf8) + authorities.fingerprint)
    case .required(let authorities): return sha256(Array("client_auth required".utf8) + authorities.fingerprint)
    }
  }
}
