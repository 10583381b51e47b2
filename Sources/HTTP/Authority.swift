import Bytes

/// Host and optional port, as `Host`, an absolute-form target and `:authority` give them (RFC 3986 section 3.2).
///
/// Stricter than the grammar: a host is a name of letters, digits, `-`, `_` and `.`, an IPv4 address, or an IPv6 address in
/// brackets. No user information, no percent-escapes, no sub-delimiters, no empty label, no zone, no empty port.
package struct Authority: Equatable, Sendable {
  /// The host inside the bytes that were read: without port, without one trailing dot, brackets of an IPv6 address included.
  package let host: ByteRange
  /// 1 to 65,535.
  package let port: UInt16?

  /// Longest host name (RFC 1035 section 2.3.4).
  private static let longestHost = 255

  /// Nil when `bytes` is no authority: answer `bad_host`.
  package init?(_ bytes: Span<UInt8>) {
    guard !bytes.isEmpty else { return nil }
    var end = 0
    if bytes[0] == UInt8(ascii: "[") {
      while end < bytes.count, bytes[end] != UInt8(ascii: "]") { end &+= 1 }
      guard end < bytes.count, IPv6Literal.isValid(bytes.extracting(1..<end)) else { return nil }
      end &+= 1
      host = ByteRange(offset: 0, count: end)
    } else {
      guard let name = Authority.name(bytes) else { return nil }
      host = ByteRange(offset: 0, count: name.length)
      end = name.end
    }
    if end == bytes.count {
      port = nil
    } else {
      guard bytes[end] == UInt8(ascii: ":"), let number = Authority.port(bytes.extracting((end + 1)..<bytes.count)) else {
        return nil
      }
      port = number
    }
  }

  /// Whether the host is an IPv4 address in four decimal numbers, or an IPv6 address.
  ///
  /// - Parameter bytes: those that were read.
  package func isAddress(in bytes: Span<UInt8>) -> Bool {
    let host = bytes.extracting(self.host.bounds)
    return !host.isEmpty && (host[0] == UInt8(ascii: "[") || IPv6Literal.isIPv4(host))
  }

  /// Bytes of the name at the front without one trailing dot, and where it ends with it; nil when it is no name.
  private static func name(_ bytes: Span<UInt8>) -> (length: Int, end: Int)? {
    var label = 0
    var end = 0
    while true {
      end = NameScan.firstOther(bytes, from: end, to: bytes.count)
      if end == bytes.count || bytes[end] == UInt8(ascii: ":") { break }
      if bytes[end] == UInt8(ascii: ".") {
        if end == label { return nil }
        label = end &+ 1
      } else if bytes[end] != UInt8(ascii: "_") {
        return nil
      }
      end &+= 1
    }
    // The last label may be empty, if there is one before it.
    let length = end > label ? end : end &- 1
    return length > 0 && length <= longestHost ? (length, end) : nil
  }

  private static func port(_ digits: Span<UInt8>) -> UInt16? {
    guard digits.count >= 1, digits.count <= 5 else { return nil }
    var value: UInt32 = 0
    for index in digits.indices {
      let digit = digits[index] &- 0x30
      guard digit < 10 else { return nil }
      value = value &* 10 &+ UInt32(digit)
    }
    return value == 0 ? nil : UInt16(exactly: value)
  }
}
