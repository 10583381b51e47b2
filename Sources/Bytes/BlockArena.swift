import CLinux

/// Copies that stay where they are until all of them go at once, in blocks of a pool.
@safe package struct BlockArena: ~Copyable {
  /// Blocks held at most: 256 KiB.
  private static let most = 16

  // Taken from a pool, and given back to one or freed.
  private var blocks: [UnsafeMutablePointer<UInt8>] = unsafe []
  /// Bytes taken of the last block.
  private var used = BufferPool.blockSize

  package init() {}

  deinit { unsafe blocks.forEach { unsafe $0.deallocate() } }

  /// Blocks held.
  package var blockCount: Int { unsafe blocks.count }

  /// - Returns: a copy of `bytes`, valid until `giveBack`; nil when there is no room for it.
  @unsafe package mutating func copy(_ bytes: UnsafeBufferPointer<UInt8>, from pool: BufferPool) -> UnsafeMutablePointer<UInt8>? {
    guard let source = bytes.baseAddress, !bytes.isEmpty else { return nil }
    if bytes.count > BufferPool.blockSize &- used {
      guard bytes.count <= BufferPool.blockSize, unsafe blocks.count < Self.most else { return nil }
      unsafe blocks.append(pool.take())
      used = 0
    }
    // The last block has room for as many behind `used`: seen to above.
    let place = unsafe blocks[blocks.count &- 1] + used
    unsafe memcpy(place, source, bytes.count)
    used &+= bytes.count
    return unsafe place
  }

  /// Ends all copies.
  package mutating func giveBack(to pool: BufferPool) {
    while let block = unsafe blocks.popLast() {
      #if DEBUG
        // The address sanitizer is to see who still points into it.
        unsafe block.deallocate()
      #else
        // The arena forgets it; that copies end here is this function's word.
        unsafe pool.give(block)
      #endif
    }
    used = BufferPool.blockSize
  }
}
