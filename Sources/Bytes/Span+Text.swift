/// Comparing bytes with a text of the program's own.
extension Span where Element == UInt8 {
  /// Whether these bytes are exactly `text`.
  @inlinable @inline(__always)
  package func equals(_ text: StaticString) -> Bool { matches(text, ==) }

  /// Whether these bytes are `lowercase`, ignoring the case of A-Z. `lowercase` must hold no upper-case letter.
  @inlinable @inline(__always)
  package func equalsIgnoringCase(_ lowercase: StaticString) -> Bool { matches(lowercase) { EightBytes.lower($0) == $1 } }

  /// Whether these bytes and `other` are the same but for the case of A-Z.
  package func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where ASCII.lower(self[index]) != ASCII.lower(other[index]) { return false }
    return true
  }

  /// Whether these bytes begin with `text`.
  @inlinable @inline(__always)
  package func starts(with text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && extracting(0..<text.utf8CodeUnitCount).equals(text)
  }

  /// Whether there are as many bytes as in `text`, and `matches` says so of each eight of them and the eight of `text`.
  ///
  /// Inlined, as are its callers: with a literal, the expected words are constants.
  @inlinable @inline(__always)
  package func matches(_ text: StaticString, _ matches: (UInt64, UInt64) -> Bool) -> Bool {
    let count = text.utf8CodeUnitCount
    guard self.count == count else { return false }
    // Both hold `count` bytes, and no load below passes that. Bytes have no gaps between them.
    let actual = unsafe bytes
    let expected = unsafe UnsafeRawPointer(text.utf8Start)
    if count >= 8 {
      var index = 0
      while index &+ 8 < count {
        // Eight bytes from `index` on are there: the loop's condition.
        guard
          unsafe matches(
            actual.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self),
            expected.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        else { return false }
        index &+= 8
      }
      // The last eight, of eight at least; they may overlap those before.
      return unsafe matches(
        actual.unsafeLoadUnaligned(fromUncheckedByteOffset: count &- 8, as: UInt64.self),
        expected.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self))
    }
    if count >= 4 {
      // Two halves, which may overlap too: the first four and the last four, of four at least.
      let last = count &- 4
      return unsafe matches(
        UInt64(actual.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt32.self))
          | UInt64(actual.unsafeLoadUnaligned(fromUncheckedByteOffset: last, as: UInt32.self)) << 32,
        UInt64(expected.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
          | UInt64(expected.loadUnaligned(fromByteOffset: last, as: UInt32.self)) << 32)
    }
    for index in 0..<count {
      // One of the `count` bytes of both.
      guard unsafe matches(UInt64(self[unchecked: index]), UInt64(expected.load(fromByteOffset: index, as: UInt8.self))) else {
        return false
      }
    }
    return true
  }
}
