import HTTP

/// Reads `chunk-size [ chunk-ext ]` (RFC 9112 section 7.1).
enum ChunkSizeLine {
  /// Digits that a size may have, leading zeros included: enough for 2^64 - 1.
  static let longestSize = 16
  /// Bytes of extensions on one line.
  static let longestExtension = 1024

  /// - Parameter line: the line without its CRLF.
  /// - Returns: the size, up to 2^63 - 1; nil when the line is malformed. What the extensions say is dropped.
  static func read(_ line: Range<Int>, of bytes: Span<UInt8>) -> UInt64? {
    var index = line.lowerBound
    var size: UInt64 = 0
    while index < line.upperBound, let digit = hexDigit(bytes[index]) {
      guard index &- line.lowerBound < longestSize else { return nil }
      size = size << 4 | UInt64(digit)
      index &+= 1
    }
    guard index > line.lowerBound, size <= UInt64(Int64.max) else { return nil }
    guard line.upperBound &- index <= longestExtension, areExtensions(index..<line.upperBound, of: bytes) else { return nil }
    return size
  }

  /// `*( ";" BWS name [ BWS "=" BWS value ] BWS )`, white space nowhere else and none at the line's end; a value is a token or
  /// a quoted string. The `;` stands right behind the size: `5 ;x` is where lenient readers begin to differ.
  private static func areExtensions(_ range: Range<Int>, of bytes: Span<UInt8>) -> Bool {
    var index = range.lowerBound
    let end = range.upperBound
    func skipSpace() {
      while index < end, bytes[index] == 0x20 || bytes[index] == 0x09 { index &+= 1 }
    }
    func skipToken() -> Bool {
      let start = index
      while index < end, TokenByte.contains(bytes[index]) { index &+= 1 }
      return index > start
    }
    while index < end {
      guard bytes[index] == UInt8(ascii: ";") else { return false }
      index &+= 1
      skipSpace()
      guard skipToken() else { return false }
      skipSpace()
      if index < end, bytes[index] == UInt8(ascii: "=") {
        index &+= 1
        skipSpace()
        if index < end, bytes[index] == UInt8(ascii: "\"") {
          guard let next = quotedStringEnd(index, end, bytes) else { return false }
          index = next
        } else if !skipToken() {
          return false
        }
        skipSpace()
      }
    }
    return range.isEmpty || bytes[end &- 1] != 0x20 && bytes[end &- 1] != 0x09
  }

  /// The index behind the closing quote (RFC 9110 section 5.6.4); nil when there is none or a control byte is inside.
  private static func quotedStringEnd(_ start: Int, _ end: Int, _ bytes: Span<UInt8>) -> Int? {
    var index = start &+ 1
    while index < end {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") { return index &+ 1 }
      if byte == UInt8(ascii: "\\") {
        index &+= 1
        guard index < end else { return nil }
      }
      guard bytes[index] >= 0x20 && bytes[index] != 0x7f || bytes[index] == 0x09 else { return nil }
      index &+= 1
    }
    return nil
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    let decimal = byte &- 0x30
    if decimal < 10 { return decimal }
    let letter = (byte | 0x20) &- 0x61
    return letter < 6 ? letter &+ 10 : nil
  }
}
