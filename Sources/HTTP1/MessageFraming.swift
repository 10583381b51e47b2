import Bytes
import HTTP

/// What the fields of one head say about where its content ends and whether the connection goes on, gathered as they pass.
struct MessageFraming {
  private(set) var contentLength: UInt64?
  private(set) var isChunked = false
  private(set) var connection = ConnectionOptions()

  /// Whether there is anything for `note` in a field of this name.
  @inline(__always)
  static func concerns(_ name: FieldName) -> Bool {
    switch name {
    case .contentLength, .transferEncoding, .connection: return true
    default: return false
    }
  }

  /// Looks at `Content-Length`, `Transfer-Encoding` and `Connection`; other fields are none of its business.
  ///
  /// - Returns: why the head is refused, or nil.
  mutating func note(_ field: HeaderField, in bytes: Span<UInt8>, minorVersion: UInt8) -> HeadError? {
    switch field.id {
    case .contentLength:
      // `Content_Length` is an ordinary field to us and may be the length to a backend that maps `_` to `-`.
      guard bytes[field.name.start &+ 7] == UInt8(ascii: "-") else { return .badFraming }
      // Repeated, even if equal: a sender that says it twice is not one whose framing to trust.
      guard contentLength == nil, !isChunked, let length = ContentLength.read(bytes.extracting(field.value.bounds)) else {
        return .badFraming
      }
      contentLength = length
    case .transferEncoding:
      guard bytes[field.name.start &+ 8] == UInt8(ascii: "-") else { return .badFraming }
      guard minorVersion == 1, contentLength == nil, !isChunked,
        bytes.extracting(field.value.bounds).equalsIgnoringCase("chunked")
      else { return .badFraming }
      isChunked = true
    case .connection:
      guard connection.add(field.value, in: bytes) else { return .badRequest }
    default:
      break
    }
    return nil
  }

  /// RFC 9112 section 9.3.
  func isPersistent(minorVersion: UInt8) -> Bool {
    if connection.close { return false }
    return minorVersion == 1 || connection.keepAlive
  }
}
