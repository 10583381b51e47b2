import Bytes
import Testing

struct ByteRangeTests {
  @Test(arguments: [(0, 0), (0, 1), (7, 5), (1 << 20, 1 << 20), (Int(UInt32.max), 0), (0, Int(UInt32.max))])
  func `A range says where it starts, how long it is and where it ends`(offset: Int, count: Int) {
    let range = ByteRange(offset: offset, count: count)
    #expect(range.start == offset)
    #expect(range.length == count)
    #expect(range.end == offset + count)
    #expect(range.bounds == offset..<(offset + count))
    #expect(range.isEmpty == (count == 0))
  }

  @Test func `The end does not wrap at 4 GiB`() {
    let range = ByteRange(offset: Int(UInt32.max), count: Int(UInt32.max))
    #expect(range.end == 2 * Int(UInt32.max))
  }

  @Test func `Ranges are equal when both numbers are`() {
    #expect(ByteRange(offset: 1, count: 2) == ByteRange(offset: 1, count: 2))
    #expect(ByteRange(offset: 1, count: 2) != ByteRange(offset: 2, count: 1))
    #expect(ByteRange.empty == ByteRange(offset: 0, count: 0))
  }

  @Test func `A range takes eight bytes`() { #expect(MemoryLayout<ByteRange>.size == 8) }
}
