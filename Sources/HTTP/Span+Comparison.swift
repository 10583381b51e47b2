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

  /// Whether these bytes are `lowercase`, ignoring the case of A-Z.
  @inlinable @inline(__always)
  package func equalsIgnoringCase(_ lowercase: StaticString) -> Bool { matches(lowercase) { EightBytes.lower($0) == $1 } }

  /// Whether these bytes and `other` are the same but for the case of A-Z.
  package func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where ASCII.lower(self[index]) != ASCII.lower(other[index]) { return false }
    return true
  }

  /// Whether these bytes are exactly `text`.
  @inlinable @inline(__always)
  package func equals(_ text: StaticString) -> Bool { matches(text, ==) }

  /// Whether there are as many bytes as in `text`, and `matches` says so of each eight of them and the eight of `text`.
  ///
  /// Inlined, as are its callers: with a literal, the expected words are constants.
  @inlinable @inline(__always)
  func matches(_ text: StaticString, _ matches: (UInt64, UInt64) -> Bool) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    // Both hold `count` bytes, and no load below passes that.
    let actual = bytes
    let expected = UnsafeRawPointer(text.utf8Start)
    func word(at index: Int) -> Bool {
      matches(
        actual.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self),
        expected.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    }
    if count >= 8 {
      var index = 0
      while index &+ 8 < count {
        if !word(at: index) { return false }
        index &+= 8
      }
      // The last eight may overlap those before.
      return word(at: count &- 8)
    }
    if count >= 4 {
      // Two halves, which may overlap too.
      let last = count &- 4
      return matches(
        UInt64(actual.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt32.self))
          | UInt64(actual.unsafeLoadUnaligned(fromUncheckedByteOffset: last, as: UInt32.self)) << 32,
        UInt64(expected.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
          | UInt64(expected.loadUnaligned(fromByteOffset: last, as: UInt32.self)) << 32)
    }
    for index in 0..<count {
      if !matches(UInt64(self[index]), UInt64(expected.load(fromByteOffset: index, as: UInt8.self))) { return false }
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
