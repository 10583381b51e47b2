import Bytes

/// A host that a route names, parsed: a name, an IP literal, or `*.` and a name.
///
/// `*.example.com` is every host below `example.com` however deep (`a.example.com`, `a.b.example.com`), and not
/// `example.com` itself. Case, a port and one trailing dot make no difference. IP literals are compared as they are
/// written: `[::1]` is not `[0::1]`.
package struct HostPattern: Sendable, Hashable, CustomStringConvertible {
  /// In lower case; for a wildcard, what follows `*.`. Empty when the route takes any host.
  package let name: [UInt8]
  package let isWildcard: Bool

  /// The host of a route that names none.
  package static let any = HostPattern(name: [], isWildcard: false)

  private init(name: [UInt8], isWildcard: Bool) {
    self.name = name
    self.isWildcard = isWildcard
  }

  /// `*.` and a name that is already in lower case.
  init?(wildcardBelow name: [UInt8]) {
    guard !name.isEmpty else { return nil }
    self.init(name: name, isWildcard: true)
  }

  /// - Throws: what is wrong, and what to write instead.
  package init(_ text: String) throws(PatternError) {
    if text.isEmpty { throw PatternError("a host is a name such as `api.example.com`: leave `hosts` out for any host") }
    if text == "*" { throw PatternError("`*` alone is no host pattern: leave `hosts` out for any host") }
    if text.utf8.contains(UInt8(ascii: "/")) {
      throw PatternError("a host is written without scheme and path, as in `api.example.com`")
    }
    if text.utf8.contains(UInt8(ascii: "@")) { throw PatternError("a host has no user information: leave `@` and what precedes it out") }
    let isWildcard = text.hasPrefix("*.")
    let rest = Array((isWildcard ? text.dropFirst(2) : text[...]).utf8)
    if !rest.contains(0x5b), rest.count(where: { $0 == 0x3a }) > 1 {
      throw PatternError("an IPv6 address stands in brackets: write `[\(text)]`")
    }
    let range = Self.hostRange(rest.span)
    let host = rest[range].map(ASCII.lower)
    if host.contains(0x2a) {
      throw PatternError("`*` stands only at the front of a host pattern, as in `*.example.com`")
    }
    guard !host.isEmpty, host.count <= Self.maximumLength else {
      throw PatternError("`\(text)` is no host: write a name of 1 to \(Self.maximumLength) bytes, such as `api.example.com`")
    }
    if host.first == 0x5b {
      guard !isWildcard, host.count > 3, host.last == 0x5d, host.dropFirst().dropLast().allSatisfy(Self.isAddressByte) else {
        throw PatternError("`\(text)` is no IPv6 address in brackets: write it as in `[::1]`")
      }
    } else if let byte = host.first(where: { !Self.isNameByte($0) }) {
      throw PatternError(
        byte >= 0x80
          ? "`\(text)` is no ASCII name: write it in its `xn--` form"
          : "`\(text)` is no host: write letters, digits, `-`, `_` and dots only")
    } else if host.split(separator: 0x2e, omittingEmptySubsequences: false).contains(where: \.isEmpty) {
      throw PatternError("`\(text)` has an empty label: write a single dot between labels")
    }
    name = host
    self.isWildcard = isWildcard
  }

  package var description: String {
    self == .any ? "any host" : (isWildcard ? "*." : "") + String(decoding: name, as: UTF8.self)
  }

  /// Whether `host`, without port and without a dot behind it, is one of those that are meant.
  package func matches(_ host: Span<UInt8>) -> Bool {
    if self == .any { return true }
    guard isWildcard else { return host.equalsIgnoringCase(name.span) }
    // Something must stand before the dot.
    let start = host.count - name.count
    return start > 1 && host[start - 1] == 0x2e && host.extracting(start..<host.count).equalsIgnoringCase(name.span)
  }

  /// Longer hosts match no pattern: a DNS name has 253 bytes at most (RFC 1035 section 2.3.4).
  package static let maximumLength = 255

  /// Where the host stands in an authority: without port and without one trailing dot.
  package static func hostRange(_ authority: Span<UInt8>) -> Range<Int> {
    var end = authority.count
    if end > 0, authority[0] == 0x5b {
      var index = 0
      while index < end, authority[index] != 0x5d { index &+= 1 }
      return 0..<(index < end ? index &+ 1 : end)
    }
    var index = end
    while index > 0, authority[index &- 1] &- 0x30 < 10 { index &-= 1 }
    if index > 0, authority[index &- 1] == 0x3a { end = index &- 1 }
    if end > 0, authority[end &- 1] == 0x2e { end &-= 1 }
    return 0..<end
  }

  private static func isAddressByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte &- 0x61 < 6 || byte == 0x3a || byte == 0x2e
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte &- 0x61 < 26 || byte == 0x2d || byte == 0x5f || byte == 0x2e
  }
}
