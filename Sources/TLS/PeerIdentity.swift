/// Who the other side is, by its certificate. Read once, when the handshake is done.
package final class PeerIdentity: Sendable {
  package enum Kind: UInt8, Sendable {
    /// A URI name that begins with `spiffe://`.
    case spiffe
    /// A DNS name.
    case dns
    /// The subject's common name: nobody vouches for its form. For logs only.
    case commonName
    /// The certificate has none of these.
    case unnamed
  }

  package let kind: Kind
  /// The name as it stands in the certificate: the first SPIFFE URI, else the first DNS name, else the common name.
  /// Escape it wherever it is written; the peer chose it.
  package let name: [UInt8]
  /// SHA-256 of the certificate's DER, 32 bytes.
  package let thumbprint: [UInt8]
  /// The certificate's notAfter in Unix seconds; `Int64.min` when it cannot be read.
  package let notAfter: Int64

  /// - Parameter certificate: an `X509 *`, borrowed.
  init(certificate: OpaquePointer) {
    let names = SubjectAlternativeNames(of: certificate)
    let scheme = Array("spiffe://".utf8)
    if let uri = names.uris.first(where: { $0.starts(with: scheme) }) {
      kind = .spiffe
      name = uri
    } else if let dns = names.dnsNames.first {
      kind = .dns
      name = dns
    } else if let common = commonName(of: certificate) {
      kind = .commonName
      name = common
    } else {
      kind = .unnamed
      name = []
    }
    thumbprint = TLS.thumbprint(of: certificate)
    notAfter = expiry(of: certificate) ?? .min
  }

  /// The name as text; invalid UTF-8 becomes U+FFFD.
  package var text: String { String(decoding: name, as: UTF8.self) }
}
