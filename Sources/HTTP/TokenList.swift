import Bytes

/// Reads a comma-separated list of tokens (RFC 9110 section 5.6.1) one element at a time.
///
/// Empty elements are skipped, as recipients must. Holds positions only; the bytes are passed to each call.
package struct TokenList {
  package enum Element: Equatable {
    case token(ByteRange)
    case end
    /// Something that is neither token, comma nor white space.
    case malformed
  }

  private var position: Int
  private let end: Int

  /// - Parameter value: the field value, as a range of the bytes that are passed to `next`.
  package init(_ value: ByteRange) {
    position = value.start
    end = value.end
  }

  package mutating func next(in bytes: Span<UInt8>) -> Element {
    while position < end, TokenList.separates(bytes[position]) { position &+= 1 }
    guard position < end else { return .end }
    let start = position
    while position < end, TokenByte.contains(bytes[position]) { position &+= 1 }
    let token = ByteRange(offset: start, count: position &- start)
    while position < end, bytes[position] == 0x20 || bytes[position] == 0x09 { position &+= 1 }
    guard !token.isEmpty, position == end || bytes[position] == UInt8(ascii: ",") else {
      position = end
      return .malformed
    }
    return .token(token)
  }

  private static func separates(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == UInt8(ascii: ",")
  }
}
