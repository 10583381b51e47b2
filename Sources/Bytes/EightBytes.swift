/// Eight bytes of text at once, in plain integers: the first byte is the lowest, as a load gives it on the architectures that
/// Swift has on Linux.
///
/// Results are exact byte by byte unless it says otherwise: no carry leaves its byte, because sums are taken with the high
/// bits cleared.
@usableFromInline package enum EightBytes {
  @inlinable package static var ones: UInt64 { 0x0101_0101_0101_0101 }
  @inlinable package static var highBits: UInt64 { 0x8080_8080_8080_8080 }

  /// The bytes of `word` with A–Z in lower case.
  @inlinable @inline(__always)
  package static func lower(_ word: UInt64) -> UInt64 {
    let low = word & ~highBits
    let isUpper = (low &+ ones &* (0x80 - 0x41)) & ~(low &+ ones &* (0x80 - 0x5b)) & ~word & highBits
    return word | isUpper >> 2
  }

  /// The high bit of exactly those bytes that are `byte`.
  @inlinable @inline(__always)
  package static func positions(of byte: UInt8, in word: UInt64) -> UInt64 {
    let distance = word ^ ones &* UInt64(byte)
    return ~(((distance & ~highBits) &+ ~highBits) | distance) & highBits
  }

  /// The high bit of exactly those bytes that are no letter, digit or `-`.
  @inlinable @inline(__always)
  package static func besidesName(_ word: UInt64) -> UInt64 {
    let low = word & ~highBits
    let lowerCase = low | ones &* 0x20
    let isLetter = (lowerCase &+ ones &* (0x80 - 0x61)) & ~(lowerCase &+ ones &* (0x80 - 0x7b))
    let isDigit = (low &+ ones &* (0x80 - 0x30)) & ~(low &+ ones &* (0x80 - 0x3a))
    let isOther = (low ^ ones &* 0x2d) &+ ones &* 0x7f
    return (word | ~(isLetter | isDigit | ~isOther)) & highBits
  }

  /// Which byte of the eight the lowest bit of `positions` is in; 8 when there is none.
  @inlinable @inline(__always)
  package static func first(_ positions: UInt64) -> Int { positions.trailingZeroBitCount >> 3 }

  /// Eight lower-case hexadecimal digits of `value`, the highest first.
  @inlinable @inline(__always)
  package static func hexadecimal(_ value: UInt32) -> UInt64 {
    // A digit a byte: halves apart, then bytes, then nibbles, and each time the higher goes to the lower place.
    var digits = UInt64(value.byteSwapped)
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff
    digits = (digits >> 4 | digits << 8) & 0x0f0f_0f0f_0f0f_0f0f
    // `a` stands 39 places further from `0` than ten.
    let isLetter = (digits &+ ones &* 6) >> 4 & ones
    return digits &+ ones &* 0x30 &+ isLetter &* 39
  }
}
