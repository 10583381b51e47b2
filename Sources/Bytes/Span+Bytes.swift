import CLinux

/// What `Span` lacks in Swift 6.3 for bytes: to be compared, copied, and read and written eight at a time. Each of these looks at
/// the bounds itself before it goes to memory.
extension Span where Element == UInt8 {
  /// Whether these bytes are those of `other`.
  @inlinable package func equals(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return unsafe withUnsafeBufferPointer { mine in
      unsafe other.withUnsafeBufferPointer { theirs in
        guard let mine = mine.baseAddress, let theirs = theirs.baseAddress else { return true }
        // Both have `count` bytes.
        return unsafe memcmp(mine, theirs, count) == 0
      }
    }
  }

  /// Whether `predicate` says so of every byte.
  @inlinable @inline(__always)
  package func allSatisfy(_ predicate: (UInt8) -> Bool) -> Bool {
    for index in indices where !predicate(self[index]) { return false }
    return true
  }

  @inlinable package func firstIndex(of byte: UInt8) -> Int? { ByteScan.first(byte, of: self, from: 0, to: count) }

  @inlinable package func lastIndex(of byte: UInt8) -> Int? {
    var index = count
    while index > 0 {
      index &-= 1
      if self[index] == byte { return index }
    }
    return nil
  }

  /// Where the bytes are without spaces and tabs at either end.
  package var trimmedRange: Range<Int> {
    var start = 0
    var end = count
    while start < end, self[start] == 0x20 || self[start] == 0x09 { start &+= 1 }
    while end > start, self[end &- 1] == 0x20 || self[end &- 1] == 0x09 { end &-= 1 }
    return start..<end
  }

  /// The bytes without spaces and tabs at either end.
  package var trimmed: Span<UInt8> {
    @_lifetime(copy self)
    get { extracting(trimmedRange) }
  }

  /// The eight bytes from `index` on as one word, the first the lowest.
  @inlinable @inline(__always)
  package func word(at index: Int) -> UInt64 {
    precondition(index >= 0 && index <= count &- 8)
    // Checked above; any eight bytes are a `UInt64`.
    return unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
  }

  /// Calls `body` with each sixteen bytes from the front on, as two words.
  ///
  /// - Returns: how many bytes that were; up to 15 are left.
  @inlinable @inline(__always)
  package func forEachTwoWords(_ body: (UInt64, UInt64) -> Void) -> Int {
    // Bytes have no gaps between them.
    let raw = unsafe bytes
    var index = 0
    while index &+ 16 <= count {
      // 16 bytes from `index` on are there: the loop's condition.
      unsafe body(
        raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self),
        raw.unsafeLoadUnaligned(fromUncheckedByteOffset: index &+ 8, as: UInt64.self))
      index &+= 16
    }
    return index
  }
}

extension MutableSpan where Element == UInt8 {
  /// Writes the eight bytes of `word`, the lowest first.
  @inlinable @inline(__always)
  @_lifetime(self: copy self)
  package mutating func store(_ word: UInt64, at index: Int) {
    precondition(index >= 0 && index <= count &- 8)
    // Checked above; bytes may be overwritten with any bytes.
    unsafe withUnsafeMutableBufferPointer { buffer in
      unsafe UnsafeMutableRawBufferPointer(buffer).storeBytes(of: word, toByteOffset: index, as: UInt64.self)
    }
  }

  /// Writes the four bytes of `word`, the lowest first.
  @inlinable @inline(__always)
  @_lifetime(self: copy self)
  package mutating func store(_ word: UInt32, at index: Int) {
    precondition(index >= 0 && index <= count &- 4)
    // Checked above; bytes may be overwritten with any bytes.
    unsafe withUnsafeMutableBufferPointer { buffer in
      unsafe UnsafeMutableRawBufferPointer(buffer).storeBytes(of: word, toByteOffset: index, as: UInt32.self)
    }
  }

  /// Writes `bytes` from `index` on.
  @inlinable @inline(__always)
  @_lifetime(self: copy self)
  package mutating func store(_ bytes: Span<UInt8>, at index: Int) {
    precondition(index >= 0 && index <= count &- bytes.count)
    unsafe withUnsafeMutableBufferPointer { target in
      unsafe bytes.withUnsafeBufferPointer { source in
        guard let place = target.baseAddress, let first = source.baseAddress else { return }
        // Checked above: there is room. What is borrowed to be changed overlaps nothing that is borrowed to be read.
        unsafe memcpy(place + index, first, source.count)
      }
    }
  }
}

extension [UInt8] {
  /// Whether these bytes are those of `other`.
  @inlinable package func equals(_ other: Span<UInt8>) -> Bool { span.equals(other) }

  /// A copy of `bytes`.
  @inlinable package init(_ bytes: Span<UInt8>) {
    // Read while it is borrowed.
    self = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
  }

  @inlinable package mutating func append(contentsOf bytes: Span<UInt8>) {
    // Read while it is borrowed.
    unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
  }

  @inlinable package static func += (left: inout [UInt8], right: Span<UInt8>) { left.append(contentsOf: right) }
}

extension String {
  /// `bytes` read as UTF-8, what is none replaced.
  package init(decoding bytes: Span<UInt8>) {
    // Read while it is borrowed.
    self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}
