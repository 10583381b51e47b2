import CLinux

/// Copies that stay where they are until all of them go at once, in blocks of a pool.
package struct BlockArena: ~Copyable {
  /// Blocks held at most: 256 KiB.
  private static let most = 16

  private var blocks: [UnsafeMutablePointer<UInt8>] = []
  /// Bytes taken of the last block.
  private var used = BufferPool.blockSize

  package init() {}

  deinit { for block in blocks { block.deallocate() } }

  /// Blocks held.
  package var blockCount: Int { blocks.count }

  /// - Returns: a copy of `bytes`, valid until `giveBack`; nil when there is no room for it.
  package mutating func copy(_ bytes: UnsafeBufferPointer<UInt8>, from pool: BufferPool) -> UnsafeMutablePointer<UInt8>? {
    guard let source = bytes.baseAddress, !bytes.isEmpty else { return nil }
    if bytes.count > BufferPool.blockSize &- used {
      guard bytes.count <= BufferPool.blockSize, blocks.count < Self.most else { return nil }
      blocks.append(pool.take())
      used = 0
    }
    let place = blocks[blocks.count &- 1] + used
    memcpy(place, source, bytes.count)
    used &+= bytes.count
    return place
  }

  /// Ends all copies.
  package mutating func giveBack(to pool: BufferPool) {
    while let block = blocks.popLast() {
      #if DEBUG
        // The address sanitizer is to see who still points into it.
        block.deallocate()
      #else
        pool.give(block)
      #endif
    }
    used = BufferPool.blockSize
  }
}
