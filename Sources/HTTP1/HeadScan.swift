import CLinux

/// The three loops that look at every byte of a head: the one place of this room where bytes are read unchecked.
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
    let width = 0x7f &- lowest
    var index = start
    while index &+ 16 <= end {
      // What is not in lowest...0x7e wraps to `width` or more.
      let block = raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<UInt8>.self)
      let offset = firstSet((block &- lowest) .>= width)
      if offset < 16 { return index &+ offset }
      index &+= 16
    }
    while index < end, bytes[unchecked: index] &- lowest < width { index &+= 1 }
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
    while index &+ 16 <= end {
      let block = raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<UInt8>.self)
      let isLetter = ((block | 0x20) &- 0x61) .< 26
      let isDigit = (block &- 0x30) .< 10
      let offset = firstSet(.!(isLetter .| isDigit .| (block .== 0x2d)))
      if offset < 16 { return index &+ offset }
      index &+= 16
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

  /// The first lane that is true; 16 when none is.
  @inline(__always)
  private static func firstSet(_ mask: SIMDMask<SIMD16<Int8>>) -> Int {
    let halves = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
    if halves[0] | halves[1] == 0 { return 16 }
    return halves[0] != 0
      ? halves[0].trailingZeroBitCount >> 3
      : 8 &+ halves[1].trailingZeroBitCount >> 3
  }
}
