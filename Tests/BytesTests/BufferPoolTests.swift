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
