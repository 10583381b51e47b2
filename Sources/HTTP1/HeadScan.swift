import CLinux

/// The three loops that look at every byte of a head: the one place of this room where bytes are read unchecked.
///
/// Eight bytes a step, in plain integers: the same loops over `SIMD16<UInt8>` took 14 times the instructions, because
/// Swift 6.3 takes comparison masks apart lane by lane.
///
/// Every function takes `end` and reads below it only; callers pass an `end` that is at most the span's count (checked once
/// here, by a precondition that costs two instructions).
enum HeadScan {
  /// The index of the first byte of `bytes[start..<end]` that is below `lowest` or above 0x7e; `end` when there is none.
  ///
  /// Horizontal tab and bytes from 0x80 up are legal in a value but rare: the caller looks and goes on behind them.
  ///
  /// - Parameter lowest: 0x20 for field values, 0x21 for what holds no space either.
  @inline(__always)
  static func firstUnusual(_ bytes: Span<UInt8>, from start: Int, to end: Int, lowest: UInt8 = 0x20) -> Int {
    precondition(start >= 0 && end <= bytes.count)
    let raw = bytes.bytes
    let lows = HeadScan.ones &* UInt64(lowest)
    var index = start
    while index &+ 16 <= end {
      let first = outside(raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self), lows)
      let second = outside(raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index &+ 8, as: UInt64.self), lows)
      if (first | second) & highBits != 0 {
        let firstHigh = first & highBits
        return index &+ (firstHigh != 0 ? firstHigh.trailingZeroBitCount : 64 &+ (second & highBits).trailingZeroBitCount) >> 3
      }
      index &+= 16
    }
    while index < end, bytes[unchecked: index] &- lowest < 0x7f &- lowest { index &+= 1 }
    return index
  }

  /// The index of the first byte of `bytes[start..<end]` that is no letter, digit or `-`; `end` when there is none.
  ///
  /// Those make up almost every field name; the caller decides about the other token bytes.
  @inline(__always)
  static func firstBesidesName(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
    precondition(start >= 0 && end <= bytes.count)
    let raw = bytes.bytes
    var index = start
    while index &+ 8 <= end {
      let bad = besidesName(raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
      if bad != 0 { return index &+ bad.trailingZeroBitCount >> 3 }
      index &+= 8
    }
    while index < end, isName(bytes[unchecked: index]) { index &+= 1 }
    return index
  }

  /// The index of the first LF of `bytes[start..<end]`; nil when there is none.
  static func lineFeed(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
    precondition(start >= 0 && end <= bytes.count)
    guard start < end else { return nil }
    return bytes.withUnsafeBufferPointer { buffer in
      let base = buffer.baseAddress.unsafelyUnwrapped
      guard let found = memchr(base + start, 0x0a, end &- start) else { return nil }
      return UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
  }

  @inline(__always)
  private static func isName(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2d
  }

  // MARK: Eight bytes at once

  private static var ones: UInt64 { 0x0101_0101_0101_0101 }
  private static var highBits: UInt64 { 0x8080_8080_8080_8080 }

  /// The high bit of the first byte outside of lowest...0x7e is set, and of none before it; those behind it mean nothing.
  @inline(__always)
  private static func outside(_ word: UInt64, _ lows: UInt64) -> UInt64 {
    (word &- lows) | (word &+ ones)
  }

  /// The high bit of exactly those bytes that are no letter, digit or `-`. No sum leaves its byte: both sides are below 0x80.
  @inline(__always)
  private static func besidesName(_ word: UInt64) -> UInt64 {
    let low = word & ~highBits
    let lowerCase = low | ones &* 0x20
    let isLetter = (lowerCase &+ ones &* (0x80 - 0x61)) & ~(lowerCase &+ ones &* (0x80 - 0x7b))
    let isDigit = (low &+ ones &* (0x80 - 0x30)) & ~(low &+ ones &* (0x80 - 0x3a))
    let isOther = (low ^ ones &* 0x2d) &+ ones &* 0x7f
    return (word | ~(isLetter | isDigit | ~isOther)) & highBits
  }
}
