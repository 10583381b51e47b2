import Bytes
import Testing

struct BlockArenaTests {
  private let pool = BufferPool(keep: 20)

  private func copy(_ bytes: [UInt8], _ arena: inout BlockArena) -> UnsafeMutablePointer<UInt8>? {
    bytes.withUnsafeBufferPointer { arena.copy($0, from: pool) }
  }

  @Test func `Copies stay where they are and what they are`() throws {
    var arena = BlockArena()
    var copies: [(UnsafeMutablePointer<UInt8>, [UInt8])] = []
    for number in 0..<100 {
      let bytes = [UInt8](repeating: UInt8(number), count: 1 + number * 23)
      copies.append((try #require(copy(bytes, &arena)), bytes))
    }
    for (place, bytes) in copies { #expect(Array(UnsafeBufferPointer(start: place, count: bytes.count)) == bytes) }
    #expect(arena.blockCount > 1)
    arena.giveBack(to: pool)
    #expect(arena.blockCount == 0)
  }

  @Test func `There is no room for nothing, for more than a block, or for more than 16 blocks`() {
    var arena = BlockArena()
    #expect(copy([], &arena) == nil)
    #expect(copy([UInt8](repeating: 1, count: BufferPool.blockSize + 1), &arena) == nil)
    #expect(arena.blockCount == 0)
    let block = [UInt8](repeating: 1, count: BufferPool.blockSize)
    for _ in 0..<16 { #expect(copy(block, &arena) != nil) }
    #expect(copy([1], &arena) == nil)
    arena.giveBack(to: pool)
    #expect(copy([1], &arena) != nil)
    arena.giveBack(to: pool)
  }
}
