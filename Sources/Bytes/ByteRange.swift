/// A run of bytes inside a buffer that somebody else holds: an offset and a count, both in bytes.
///
/// Heads are parsed into ranges instead of copies. A range says nothing about which buffer it belongs to; the
/// type that stores it does. Buffers it points into are at most 4 GiB, far above every limit on a head.
@usableFromInline package struct ByteRange: BitwiseCopyable, Equatable, Sendable {
  @usableFromInline package var offset: UInt32
  @usableFromInline package var count: UInt32

  @inlinable package init(offset: Int, count: Int) {
    self.offset = UInt32(truncatingIfNeeded: offset)
    self.count = UInt32(truncatingIfNeeded: count)
  }

  package static let empty = ByteRange(offset: 0, count: 0)

  @inlinable package var start: Int { Int(offset) }
  @inlinable package var length: Int { Int(count) }
  @inlinable package var end: Int { Int(offset) &+ Int(count) }
  @inlinable package var bounds: Range<Int> { start..<end }
  @inlinable package var isEmpty: Bool { count == 0 }
}
