import CLinux
import COpenSSL

/// What a backend's certificate has to name, looked at after OpenSSL has verified its chain.
package enum PeerPolicy: Sendable, Equatable {
  /// One of these SPIFFE IDs, byte for byte, as the certificate's only URI name (SPIFFE X.509-SVID section 2).
  case spiffe([String])
  /// This DNS name, or this IP address, among the subjectAltNames (RFC 9525). `*` stands for one whole leftmost label.
  case serverName(String)

  /// Nil when `certificate`, an `X509 *`, names what it has to; else what it names instead.
  func refusal(of certificate: OpaquePointer) -> String? {
    let accepted: Bool
    let names = SubjectAlternativeNames(of: certificate)
    switch self {
    case .spiffe(let identities):
      // A certificate with two identities could be read as either; a CA's own certificate is nobody's identity.
      if names.uris.count > 1 { return "the certificate has \(names.uris.count) URI names; a SPIFFE identity has exactly one" }
      if X509_get_extension_flags(certificate) & UInt32(EXFLAG_CA) != 0 {
        return "the certificate is a CA's; a SPIFFE identity is a leaf's"
      }
      guard let uri = names.uris.first else { return "the certificate has no URI name" + Self.instead(names) }
      accepted = identities.contains { $0.utf8.elementsEqual(uri) }
    case .serverName(let name):
      if Self.isAddress(name) {
        accepted = X509_check_ip_asc(certificate, name, 0) == 1
      } else {
        let flags = UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT) | UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        accepted = X509_check_host(certificate, name, name.utf8.count, flags, nil) == 1
      }
    }
    return accepted ? nil : "the certificate is not for \(description)" + Self.instead(names)
  }

  /// Whether `name` is an IP literal, which SNI must not carry (RFC 6066 section 3).
  static func isAddress(_ name: String) -> Bool {
    guard let address = a2i_IPADDRESS(name) else {
      ERR_clear_error()
      return false
    }
    ASN1_OCTET_STRING_free(address)
    return true
  }

  private var description: String {
    switch self {
    case .spiffe(let identities): return identities.joined(separator: " or ")
    case .serverName(let name): return name
    }
  }

  private static func instead(_ names: SubjectAlternativeNames) -> String {
    let all = (names.uris + names.dnsNames).prefix(4).map { String(decoding: $0.prefix(256), as: UTF8.self) }
    return all.isEmpty ? "; it has no URI or DNS name" : "; it names " + all.joined(separator: ", ")
  }
}
