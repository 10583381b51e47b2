/// Finds where a run of letters, digits and `-` ends: almost every field name, label of a host and segment of a path is one.
@usableFromInline package enum NameScan {
  /// The index of the first byte of `bytes[start..<end]` that is no letter, digit or `-`; `end` when there is none.
  ///
  /// The callers decide about that byte. Reads are unchecked and below `end` only, which is at most the span's count: checked
  /// once, by a precondition that costs two instructions.
  @inlinable @inline(__always)
  package static func firstOther(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
    precondition(start >= 0 && end <= bytes.count)
    // Bytes have no gaps between them.
    let raw = unsafe bytes.bytes
    var index = start
    while index &+ 8 <= end {
      // Eight bytes from `index` on are there: the loop's condition.
      let others = EightBytes.besidesName(unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self))
      if others != 0 { return index &+ EightBytes.first(others) }
      index &+= 8
    }
    // Below `end`, so below the span's count.
    while index < end, unsafe isName(bytes[unchecked: index]) { index &+= 1 }
    return index
  }

  @inlinable @inline(__always)
  static func isName(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x2d
  }
}
