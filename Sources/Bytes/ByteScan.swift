import CLinux

/// The loops that look at every byte of a value. `NameScan` does the same for names.
///
/// Eight bytes a step, in plain integers: the same loops over `SIMD16<UInt8>` took 14 times the instructions, because
/// Swift 6.3 takes comparison masks apart lane by lane.
///
/// Every function takes `end` and reads no byte of `bytes` from there on, which is at most the span's count: checked once, by a
/// precondition that costs two instructions. That is what the unchecked loads inside rely on.
@usableFromInline package enum ByteScan {
  /// The index of the first byte of `bytes[start..<end]` that is below `lowest` or above 0x7e; `end` when there is none.
  ///
  /// Horizontal tab and bytes from 0x80 up are legal in a value but rare: the caller looks and goes on behind them.
  ///
  /// - Parameter lowest: 0x20 for field values, 0x21 for what holds no space either.
  @inlinable @inline(__always)
  package static func firstUnusual(_ bytes: Span<UInt8>, from start: Int, to end: Int, lowest: UInt8 = 0x20) -> Int {
    precondition(start >= 0 && end <= bytes.count)
    // Bytes have no gaps between them.
    let raw = unsafe bytes.bytes
    let lows = EightBytes.ones &* UInt64(lowest)
    var index = start
    while index &+ 16 <= end {
      // 16 bytes from `index` on are there: the loop's condition.
      let first = outside(unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self), lows)
      let second = outside(unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index &+ 8, as: UInt64.self), lows)
      if (first | second) & EightBytes.highBits != 0 {
        let inFirst = first & EightBytes.highBits
        return index &+ EightBytes.first(inFirst) &+ (inFirst == 0 ? EightBytes.first(second & EightBytes.highBits) : 0)
      }
      index &+= 16
      // So long a value is a token or a cookie, and goes on.
      if index &- start == longValue {
        while index &+ 64 <= end, isUsual64(raw, at: index, lowest: lowest) { index &+= 64 }
      }
    }
    // Below `end`, so below the span's count.
    while index < end, unsafe bytes[unchecked: index] &- lowest < 0x7f &- lowest { index &+= 1 }
    return index
  }

  /// From here on into a value, steps of 64: for a token of 750 bytes 400 instructions instead of 650. Shorter values would
  /// pay for a step that fails.
  @inlinable static var longValue: Int { 64 }

  /// Whether `firstUnusual` finds nothing in the 64 bytes from `index` on, all of which must be there.
  ///
  /// In vectors, but without comparing them: the sums have a high bit where `outside` has one, here for each byte by itself.
  @inlinable @inline(__always)
  static func isUsual64(_ raw: RawSpan, at index: Int, lowest: UInt8) -> Bool {
    var found = SIMD16<UInt8>()
    for offset in 0..<4 {
      // `firstUnusual` has seen that 64 bytes are there.
      let part = unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index &+ offset &* 16, as: SIMD16<UInt8>.self)
      found |= (part &- SIMD16(repeating: lowest)) | (part &+ SIMD16(repeating: 1))
    }
    // The same 16 bytes, and every pattern of bits is a value of either type.
    let halves = unsafe unsafeBitCast(found, to: SIMD2<UInt64>.self)
    return (halves[0] | halves[1]) & EightBytes.highBits == 0
  }

  /// The index of the first byte from `start` on that JSON escapes in a string, or that might have to be: `"`, `\`, and all that is
  /// not 0x20...0x7e. The count of `bytes` when there is none.
  package static func firstEscaped(_ bytes: Span<UInt8>, from start: Int) -> Int {
    precondition(start >= 0 && start <= bytes.count)
    // Bytes have no gaps between them.
    let raw = unsafe bytes.bytes
    let lows = EightBytes.ones &* 0x20
    var index = start
    while index &+ 8 <= bytes.count {
      // Eight bytes from `index` on are there: the loop's condition.
      let word = unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let found =
        outside(word, lows) & EightBytes.highBits | EightBytes.positions(of: 0x22, in: word)
        | EightBytes.positions(of: 0x5c, in: word)
      if found != 0 { return index &+ EightBytes.first(found) }
      index &+= 8
    }
    while index < bytes.count, bytes[index] &- 0x20 < 0x5f, bytes[index] != 0x22, bytes[index] != 0x5c { index &+= 1 }
    return index
  }

  /// The index of the first `one` or `other` of `bytes[start..<end]`; `end` when there is none.
  package static func first(_ one: UInt8, or other: UInt8, of bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
    precondition(start >= 0 && end <= bytes.count)
    // Bytes have no gaps between them.
    let raw = unsafe bytes.bytes
    var index = start
    // A step may look beyond `end`, where a request line goes on, but not beyond the span.
    while index < end, index &+ 8 <= bytes.count {
      // Eight bytes from `index` on are there: the loop's condition.
      let word = unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let found = EightBytes.positions(of: one, in: word) | EightBytes.positions(of: other, in: word)
      if found != 0 { return min(index &+ EightBytes.first(found), end) }
      index &+= 8
    }
    while index < end, bytes[index] != one, bytes[index] != other { index &+= 1 }
    return min(index, end)
  }

  /// The index of the first LF of `bytes[start..<end]`; nil when there is none.
  package static func lineFeed(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
    first(0x0a, of: bytes, from: start, to: end)
  }

  /// The index of the first `byte` of `bytes[start..<end]`; nil when there is none.
  @inlinable package static func first(_ byte: UInt8, of bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
    precondition(start >= 0 && end <= bytes.count)
    guard start < end else { return nil }
    // `memchr` looks at `start..<end` only, which is inside and not empty; what it finds is an address in there.
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress, let found = unsafe memchr(base + start, Int32(byte), end &- start) else { return nil }
      return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
  }

  /// The high bit of the first byte outside of lowest...0x7e is set, and of none before it; those behind it mean nothing.
  @inlinable @inline(__always)
  static func outside(_ word: UInt64, _ lows: UInt64) -> UInt64 {
    (word &- lows) | (word &+ EightBytes.ones)
  }
}
