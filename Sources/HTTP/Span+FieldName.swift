import Bytes

extension Span where Element == UInt8 {
  /// Whether these bytes are the field name `lowercase`, ignoring case.
  ///
  /// - Parameter lowercase: letters a-z, digits and `-` only.
  @inlinable @inline(__always)
  package func isFieldName(_ lowercase: StaticString) -> Bool { matches(lowercase, FieldNameWord.matches) }

  /// Whether these bytes may be a spelling of the field name `lowercase`: all its letters and digits are where they belong, ignoring
  /// case. What stands where it has `-` is not looked at.
  @inlinable @inline(__always)
  package func resemblesFieldName(_ lowercase: StaticString) -> Bool { matches(lowercase, FieldNameWord.resembles) }

  /// Whether these bytes are a spelling of the field name `lowercase`: see `FieldName.folded`.
  package func foldsOntoFieldName(_ lowercase: StaticString) -> Bool {
    guard resemblesFieldName(lowercase) else { return false }
    // As many bytes as the name has, and letters and digits have been compared.
    let expected = lowercase.bytes
    for index in indices where expected[index] == 0x2d {
      if FieldName.folded(self[index]) != 0x2d { return false }
    }
    return true
  }
}

/// Eight bytes of a field name, compared at once. With a literal, all that depends on `wanted` alone is a constant.
@usableFromInline enum FieldNameWord {
  /// Only where `wanted` has a letter (bit 6) may bit 5, the case, differ.
  @inlinable @inline(__always)
  static func matches(_ word: UInt64, _ wanted: UInt64) -> Bool {
    (word ^ wanted) & ~((wanted & 0x4040_4040_4040_4040) >> 1) == 0
  }

  /// The same, and where `wanted` has `-` anything may stand.
  @inlinable @inline(__always)
  static func resembles(_ word: UInt64, _ wanted: UInt64) -> Bool {
    let dashes = (EightBytes.positions(of: 0x2d, in: wanted) >> 7) &* 0xff
    return (word ^ wanted) & ~((wanted & 0x4040_4040_4040_4040) >> 1) & ~dashes == 0
  }
}
