import Bytes

/// What names become on their way into an application: CGI (RFC 3875 section 4.1.18), and WSGI, Rack and PHP after it, make
/// `HTTP_X_REQUEST_ID` of `X-Request-Id`, and of `X_Request_Id` and `X.Request.Id` as well.
extension FieldName {
  /// A letter in lower case, a digit as it is, and `-` for everything else.
  @inlinable @inline(__always)
  package static func folded(_ byte: UInt8) -> UInt8 {
    let lower = byte | 0x20
    if lower &- 0x61 < 26 { return lower }
    return byte &- 0x30 < 10 ? byte : 0x2d
  }

  /// The name that all its spellings share.
  package static func canonical(_ name: some Sequence<UInt8>) -> [UInt8] { name.map(folded) }

  /// Whether `name` is spelt like `canonical`, a name in that form.
  package static func isSame(_ name: Span<UInt8>, _ canonical: [UInt8]) -> Bool {
    guard name.count == canonical.count else { return false }
    var index = 0
    while index < name.count {
      if folded(name[index]) != canonical[index] { return false }
      index &+= 1
    }
    return true
  }

  /// Whether two names become one.
  package static func isSame(_ name: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard name.count == other.count else { return false }
    var index = 0
    while index < name.count {
      if folded(name[index]) != folded(other[index]) { return false }
      index &+= 1
    }
    return true
  }
}
