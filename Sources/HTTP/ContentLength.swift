/// The value of `Content-Length` (RFC 9110 section 8.6).
package enum ContentLength {
  /// One or more digits, up to 2^63 - 1, so that it fits the signed numbers of whoever reads it next. Nil for anything else.
  package static func read(_ value: Span<UInt8>) -> UInt64? {
    guard !value.isEmpty else { return nil }
    var result: UInt64 = 0
    for index in value.indices {
      let digit = value[index] &- 0x30
      guard digit < 10, result <= (UInt64(Int64.max) &- UInt64(digit)) / 10 else { return nil }
      result = result &* 10 &+ UInt64(digit)
    }
    return result
  }
}
