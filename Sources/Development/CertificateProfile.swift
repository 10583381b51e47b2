/// What a certificate is to say about its holder.
package struct CertificateProfile: Sendable {
  /// For people only: nothing in Gatehouse trusts a common name.
  package var commonName: String
  package var dnsNames: [String]
  package var addresses: [String]
  package var uris: [String]
  package var usage: Usage
  package var days: Int

  package enum Usage: Sendable {
    /// TLS servers only: the edge.
    case server
    /// TLS clients only: the gateway towards backends.
    case client
    /// Both: a backend that also calls others.
    case serverAndClient
  }

  /// - Throws: `DevelopmentError` for a name that cannot stand in a certificate as it is written. OpenSSL reads the names from
  ///   one comma-separated text, so anything that could smuggle in another entry is refused here.
  package init(
    commonName: String, dnsNames: [String] = [], addresses: [String] = [], uris: [String] = [], usage: Usage, days: Int = 365
  ) throws {
    for name in [commonName] + dnsNames + addresses + uris {
      guard !name.isEmpty, name.utf8.count <= 64 || name.hasPrefix("spiffe://"), name.utf8.allSatisfy(Self.isPlain) else {
        throw DevelopmentError("\"\(name)\" cannot be a name in a certificate: use letters, digits and . - _ : / *")
      }
    }
    self.commonName = commonName
    self.dnsNames = dnsNames
    self.addresses = addresses
    self.uris = uris
    self.usage = usage
    self.days = days
  }

  /// The `subjectAltName` extension in OpenSSL's configuration syntax.
  var subjectAlternativeNames: String {
    (dnsNames.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" } + uris.map { "URI:\($0)" }).joined(separator: ",")
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "*"),
      UInt8(ascii: " "):
      return true
    default:
      return false
    }
  }
}
