/// An absolute `https` URL (RFC 9110 section 4.2.2), as configurations and discovery documents have them. Never anything else:
/// what is fetched decides who may pass.
package struct HTTPSURL: Sendable, Equatable, Hashable {
  /// A name or an IP literal, without brackets, in lower case.
  package let host: String
  package let port: UInt16
  /// Path and query; at least `/`.
  package let target: String

  /// Nil for another scheme, user information, a fragment, a port of 0, and every byte that stands in no URL.
  package init?(_ text: String) {
    guard text.utf8.count <= 2048, text.lowercased().hasPrefix("https://") else { return nil }
    let rest = text.dropFirst(8)
    guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && !#"\"<>^`{|}"#.utf8.contains($0) && $0 != 0x22 }), !rest.contains("#") else {
      return nil
    }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    let authority = rest[..<end]
    guard !authority.contains("@"), let (host, port) = Self.split(authority) else { return nil }
    self.host = host
    self.port = port
    let tail = rest[end...]
    target = tail.hasPrefix("/") ? String(tail) : "/" + tail
  }

  private init(host: String, port: UInt16, target: String) {
    self.host = host
    self.port = port
    self.target = target
  }

  private static func split(_ authority: Substring) -> (String, UInt16)? {
    var name = authority
    var digits: Substring?
    if authority.hasPrefix("[") {
      guard let close = authority.firstIndex(of: "]") else { return nil }
      name = authority[authority.index(after: authority.startIndex)..<close]
      let behind = authority[authority.index(after: close)...]
      guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
      digits = behind.isEmpty ? nil : behind.dropFirst()
      guard name.contains(":") else { return nil }
    } else if let colon = authority.firstIndex(of: ":") {
      name = authority[..<colon]
      digits = authority[authority.index(after: colon)...]
    }
    let isPlain = name.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f, 0x3a].contains($0) }
    guard !name.isEmpty, isPlain else { return nil }
    guard let digits, !digits.isEmpty else { return (name.lowercased(), 443) }
    guard digits.utf8.count <= 5, let port = UInt16(digits), port > 0 else { return nil }
    return (name.lowercased(), port)
  }

  /// As it stands in `Host`: the port only when it is not 443.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == 443 ? name : "\(name):\(port)"
  }

  package var text: String { "https://\(authority)\(target)" }

  package func isSameOrigin(as other: HTTPSURL) -> Bool { host == other.host && port == other.port }

  /// What `Location` means here (RFC 9110 section 10.2.2): absolute, or a path on the same host.
  package func resolving(_ location: String) -> HTTPSURL? {
    if location.hasPrefix("//") { return HTTPSURL("https:" + location) }
    guard location.hasPrefix("/") else { return HTTPSURL(location) }
    return HTTPSURL("https://\(authority)\(location)")
  }

  /// This host's `/.well-known/` document behind an issuer's own path (OpenID Connect Discovery section 4).
  package func appending(_ path: String) -> HTTPSURL {
    HTTPSURL(host: host, port: port, target: (target.hasSuffix("/") ? String(target.dropLast()) : target) + path)
  }
}
