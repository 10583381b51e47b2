/// Blocks of memory that connections borrow while there is something in them. One pool a worker, no lock.
///
/// An idle connection holds no block, so ten thousand of them cost what their TLS objects cost and no more; a busy one
/// borrows two or three. Blocks given back are kept up to a bound and freed beyond it.
@safe package final class BufferPool {
  /// One TLS record's plaintext at most (RFC 8446 section 5.1).
  package static let blockSize = 16_384

  // Blocks of `blockSize` bytes, each in here once and known to nobody else.
  private var free: [UnsafeMutablePointer<UInt8>] = unsafe []
  private let keep: Int

  /// - Parameter keep: blocks kept for the next borrower; 256 are 4 MiB.
  package init(keep: Int = 256) {
    self.keep = keep
    unsafe free.reserveCapacity(keep)
  }

  deinit { unsafe free.forEach { unsafe $0.deallocate() } }

  /// Blocks that wait for the next borrower.
  package var kept: Int { unsafe free.count }

  /// A block of `blockSize` bytes, which is the caller's until it gives it back.
  @unsafe func take() -> UnsafeMutablePointer<UInt8> {
    unsafe free.popLast() ?? .allocate(capacity: Self.blockSize)
  }

  /// - Parameter block: what `take` returned, and nobody uses any more.
  @unsafe func give(_ block: UnsafeMutablePointer<UInt8>) {
    if unsafe free.count < keep { unsafe free.append(block) } else { unsafe block.deallocate() }
  }
}

extension ByteQueue {
  /// Sees to it that the queue has memory: its own, or a block from `pool`.
  package mutating func borrow(from pool: BufferPool) {
    guard unsafe base == nil else { return }
    // From here on it is the queue's, which gives it back or frees it.
    unsafe base = pool.take()
    capacity = BufferPool.blockSize
  }

  /// Gives back what has become far too much: with no more than a quarter of it in use, what is there moves into as few blocks as hold it.
  /// No more is copied so than was taken before, however often this is called.
  package mutating func shrink(with pool: BufferPool) {
    if count <= capacity / 4 { fit(with: pool) }
  }

  /// Gives back whatever is not needed for what is there, but for the rest of a block. For a queue to which nothing is added any more.
  package mutating func fit(with pool: BufferPool) {
    let size = (count &+ BufferPool.blockSize &- 1) / BufferPool.blockSize &* BufferPool.blockSize
    guard !isEmpty, size < capacity else { return }
    guard size == BufferPool.blockSize else { return move(to: size) }
    var block = ByteQueue()
    block.borrow(from: pool)
    block.append(span)
    self = block
  }

  /// Gives the queue's memory back, if it is empty: a block to `pool`, anything larger to the system.
  package mutating func giveBack(to pool: BufferPool) {
    guard isEmpty, let block = unsafe base else { return }
    // The queue is empty and forgets it: nobody else has it.
    if capacity == BufferPool.blockSize { unsafe pool.give(block) } else { unsafe block.deallocate() }
    unsafe base = nil
    capacity = 0
    head = 0
    tail = 0
  }
}
