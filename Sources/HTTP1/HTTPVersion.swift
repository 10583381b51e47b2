import HTTP

/// `HTTP/1.1` or `HTTP/1.0`, letter for letter (RFC 9112 section 2.3).
enum HTTPVersion {
  /// Bytes of a version.
  static let length = 8

  /// - Returns: `versionNotSupported` for a version of HTTP that is neither, `badRequest` for what is none; nil when read.
  static func read(_ text: Span<UInt8>, into minorVersion: inout UInt8) -> HeadError? {
    if text.equals("HTTP/1.1") {
      minorVersion = 1
      return nil
    }
    guard text.count == length else { return .badRequest }
    guard text.extracting(0..<5).equals("HTTP/"), text[6] == UInt8(ascii: "."), text[5] &- 0x30 < 10, text[7] &- 0x30 < 10
    else { return .badRequest }
    guard text[5] == 0x31, text[7] &- 0x30 < 2 else { return .versionNotSupported }
    minorVersion = text[7] &- 0x30
    return nil
  }
}
