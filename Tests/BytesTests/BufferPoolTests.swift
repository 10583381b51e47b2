import Bytes
import Testing

struct BufferPoolTests {
  @Test func `A borrowed block is one TLS record long`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.borrow(from: pool)
    #expect(queue.allocated == BufferPool.blockSize)
    #expect(queue.isEmpty == true)
    queue.giveBack(to: pool)
    #expect(queue.allocated == 0)
    #expect(pool.kept == 1)
  }

  @Test func `The block given back last is borrowed first`() {
    let pool = BufferPool(keep: 4)
    var first = ByteQueue()
    var second = ByteQueue()
    first.borrow(from: pool)
    second.borrow(from: pool)
    let block = first.start
    second.giveBack(to: pool)
    first.giveBack(to: pool)
    var third = ByteQueue()
    third.borrow(from: pool)
    #expect(third.start == block)
    #expect(pool.kept == 1)
  }

  @Test func `A queue that has memory borrows none`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.append("abc")
    let allocated = queue.allocated
    queue.borrow(from: pool)
    #expect(queue.allocated == allocated)
    #expect(text(queue) == "abc")
  }

  @Test func `A queue with bytes in it gives nothing back`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.borrow(from: pool)
    queue.append("abc")
    queue.giveBack(to: pool)
    #expect(text(queue) == "abc")
    #expect(pool.kept == 0)
    queue.consume(3)
    queue.giveBack(to: pool)
    #expect(pool.kept == 1)
  }

  @Test func `A queue without memory gives nothing back`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.giveBack(to: pool)
    #expect(pool.kept == 0)
  }

  @Test func `A block that has grown is freed, not kept`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.borrow(from: pool)
    queue.append(Array(repeating: 0x61, count: BufferPool.blockSize + 1))
    #expect(queue.allocated == 2 * BufferPool.blockSize)
    queue.consume(BufferPool.blockSize + 1)
    queue.giveBack(to: pool)
    #expect(queue.allocated == 0)
    #expect(pool.kept == 0)
  }

  private func filled(_ blocks: Int, _ pool: BufferPool) -> ByteQueue {
    var queue = ByteQueue()
    queue.borrow(from: pool)
    for number in 0..<blocks { queue.append(Array(repeating: UInt8(0x61 + number), count: BufferPool.blockSize)) }
    return queue
  }

  @Test func `A queue of which most has been taken holds no more than four times what is left, or a block`() {
    let pool = BufferPool(keep: 4)
    var queue = filled(16, pool)
    #expect(queue.allocated == 16 * BufferPool.blockSize)
    for taken in 1...15 {
      queue.consume(BufferPool.blockSize)
      queue.shrink(with: pool)
      #expect(queue.allocated < 4 * queue.count || queue.allocated == BufferPool.blockSize)
      #expect(queue.count == (16 - taken) * BufferPool.blockSize)
      #expect(queue.span[0] == UInt8(0x61 + taken))
      #expect(queue.span[queue.count - 1] == 0x70)
    }
    #expect(queue.allocated == BufferPool.blockSize)
    // It is a block like any other.
    queue.consume(queue.count)
    queue.giveBack(to: pool)
    #expect(pool.kept == 1)
  }

  @Test func `A queue that is used to a third stays where it is`() {
    let pool = BufferPool(keep: 4)
    var queue = filled(8, pool)
    queue.consume(5 * BufferPool.blockSize + BufferPool.blockSize / 3)
    let place = queue.start
    queue.shrink(with: pool)
    #expect(queue.start == place)
  }

  @Test(arguments: [1, 2, 3, 5, 16]) func `A queue to which nothing is added any more fits into its blocks`(blocks: Int) {
    let pool = BufferPool(keep: 4)
    var queue = filled(16, pool)
    queue.consume((16 - blocks) * BufferPool.blockSize + 1)
    queue.fit(with: pool)
    #expect(queue.allocated == blocks * BufferPool.blockSize)
    #expect(queue.count == blocks * BufferPool.blockSize - 1)
    #expect(queue.span[queue.count - 1] == 0x70)
    // It grows again all the same.
    queue.append(Array(repeating: 0x7a, count: 3 * BufferPool.blockSize))
    #expect(queue.count == (blocks + 3) * BufferPool.blockSize - 1)
    #expect(queue.span[0] == UInt8(0x70 - blocks + 1))
    #expect(queue.span[queue.count - 1] == 0x7a)
  }

  @Test func `A queue that is smaller than a block, or empty, is left alone`() {
    let pool = BufferPool(keep: 4)
    var queue = ByteQueue()
    queue.shrink(with: pool)
    #expect(queue.allocated == 0)
    queue.append("abc")
    let allocated = queue.allocated
    queue.shrink(with: pool)
    queue.fit(with: pool)
    #expect(queue.allocated == allocated)
    queue.consume(3)
    queue.fit(with: pool)
    #expect(queue.allocated == allocated)
    #expect(pool.kept == 0)
  }

  @Test(arguments: [0, 1, 3]) func `No more blocks are kept than the bound says`(keep: Int) {
    let pool = BufferPool(keep: keep)
    func borrow(_ depth: Int) {
      guard depth > 0 else { return }
      var queue = ByteQueue()
      queue.borrow(from: pool)
      borrow(depth - 1)
      queue.giveBack(to: pool)
    }
    borrow(5)
    #expect(pool.kept == keep)
  }
}
