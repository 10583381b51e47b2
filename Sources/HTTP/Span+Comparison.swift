import Bytes

extension Span where Element == UInt8 {
  /// Whether these bytes are the field name `lowercase`, ignoring case and reading `_` as `-`.
  ///
  /// - Parameter lowercase: letters a-z, digits and `-` only.
  package func isFieldName(_ lowercase: StaticString) -> Bool {
    guard count == lowercase.utf8CodeUnitCount else { return false }
    let expected = UnsafeRawPointer(lowercase.utf8Start)
    if count < 8 { return isShortFieldName(expected) }
    // Eight bytes at a time; the last eight may overlap those before. Every load lies within `count`, checked above.
    var index = 0
    while true {
      let word = bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let wanted = expected.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      if !FieldNameWord.matches(word, wanted) { return false }
      if index &+ 8 >= count { return true }
      index = Swift.min(index &+ 8, count &- 8)
    }
  }

  /// Fewer than eight bytes: two halves that may overlap, or one by one when there are not even four.
  @inline(__always)
  private func isShortFieldName(_ expected: UnsafeRawPointer) -> Bool {
    guard count >= 4 else {
      for index in 0..<count {
        let byte = self[index] == UInt8(ascii: "_") ? UInt8(ascii: "-") : ASCII.lower(self[index])
        if byte != expected.load(fromByteOffset: index, as: UInt8.self) { return false }
      }
      return true
    }
    let raw = bytes
    let last = count &- 4
    let word =
      UInt64(raw.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt32.self))
      | UInt64(raw.unsafeLoadUnaligned(fromUncheckedByteOffset: last, as: UInt32.self)) << 32
    let wanted =
      UInt64(expected.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
      | UInt64(expected.loadUnaligned(fromByteOffset: last, as: UInt32.self)) << 32
    return FieldNameWord.matches(word, wanted)
  }

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

  /// Whether these bytes are `lowercase`, ignoring the case of A-Z.
  package func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
    guard count == lowercase.utf8CodeUnitCount else { return false }
    let expected = lowercase.utf8Start
    for index in 0..<count where ASCII.lower(self[index]) != expected[index] { return false }
    return true
  }

  /// Whether these bytes and `other` are the same but for the case of A-Z.
  package func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where ASCII.lower(self[index]) != ASCII.lower(other[index]) { return false }
    return true
  }

  /// Whether these bytes are exactly `text`.
  package func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    let expected = text.utf8Start
    for index in 0..<count where self[index] != expected[index] { return false }
    return true
  }
}

/// Eight bytes of a field name, compared at once.
private enum FieldNameWord {
  @inline(__always)
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
