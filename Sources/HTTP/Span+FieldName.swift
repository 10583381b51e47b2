import Bytes

extension Span where Element == UInt8 {
  /// Whether these bytes are the field name `lowercase`, ignoring case and reading `_` as `-`.
  ///
  /// - Parameter lowercase: letters a-z, digits and `-` only.
  @inlinable @inline(__always)
  package func isFieldName(_ lowercase: StaticString) -> Bool { matches(lowercase, FieldNameWord.matches) }

  /// Whether these bytes and `other` spell the same field name, ignoring case and reading `_` as `-`.
  package func isSameFieldName(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count {
      let left = self[index] == UInt8(ascii: "_") ? UInt8(ascii: "-") : ASCII.lower(self[index])
      let right = other[index] == UInt8(ascii: "_") ? UInt8(ascii: "-") : ASCII.lower(other[index])
      if left != right { return false }
    }
    return true
  }
}

/// Eight bytes of a field name, compared at once.
@usableFromInline enum FieldNameWord {
  @inlinable @inline(__always)
  static func matches(_ word: UInt64, _ wanted: UInt64) -> Bool {
    // Only where `wanted` has a letter (bit 6) may bit 5, the case, differ.
    let compared = ~((wanted & 0x4040_4040_4040_4040) >> 1)
    if (word ^ wanted) & compared == 0 { return true }
    // 0x80 in each byte that is `_`; `_` differs from `-` by 0x72.
    let distance = word ^ 0x5f5f_5f5f_5f5f_5f5f
    let underscores = ~(((distance & 0x7f7f_7f7f_7f7f_7f7f) &+ 0x7f7f_7f7f_7f7f_7f7f) | distance | 0x7f7f_7f7f_7f7f_7f7f)
    return ((word ^ ((underscores >> 7) &* 0x72)) ^ wanted) & compared == 0
  }
}
