/// Blocks of memory that connections borrow while there is something in them. One pool a worker, no lock.
///
/// An idle connection holds no block, so ten thousand of them cost what their TLS objects cost and no more; a busy one
/// borrows two or three. Blocks given back are kept up to a bound and freed beyond it.
package final class BufferPool {
  /// One TLS record's plaintext at most (RFC 8446 section 5.1).
  package static let blockSize = 16_384

  private var free: [UnsafeMutablePointer<UInt8>] = []
  private let keep: Int

  /// - Parameter keep: blocks kept for the next borrower; 256 are 4 MiB.
  package init(keep: Int = 256) {
    self.keep = keep
    free.reserveCapacity(keep)
  }

  deinit { for block in free { block.deallocate() } }

  /// Blocks that wait for the next borrower.
  package var kept: Int { free.count }

  func take() -> UnsafeMutablePointer<UInt8> {
    free.popLast() ?? .allocate(capacity: Self.blockSize)
  }

  func give(_ block: UnsafeMutablePointer<UInt8>) {
    if free.count < keep { free.append(block) } else { block.deallocate() }
  }
}

extension ByteQueue {
  /// Sees to it that the queue has memory: its own, or a block from `pool`.
  package mutating func borrow(from pool: BufferPool) {
    guard base == nil else { return }
    base = pool.take()
    capacity = BufferPool.blockSize
  }

  /// Gives the queue's memory back, if it is empty: a block to `pool`, anything larger to the system.
  package mutating func giveBack(to pool: BufferPool) {
    guard isEmpty, let block = base else { return }
    if capacity == BufferPool.blockSize { pool.give(block) } else { block.deallocate() }
    base = nil
    capacity = 0
    head = 0
    tail = 0
  }
}
