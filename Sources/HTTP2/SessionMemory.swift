import CLinux
import CNghttp2

/// Where the sessions of a worker have nghttp2's memory from: small blocks, kept by size for the next frame or stream.
///
/// A request takes 17 blocks in nghttp2 and gives them back at its end, with as many streams between as a turn has: more than
/// glibc keeps at hand, so that each cost it 210 instructions; here it is 40. One a worker and role, no lock.
package final class SessionMemory {
  /// Blocks are multiples of this, up to `largest`; what is larger comes from the system each time.
  private static let unit = 64
  private static let classes = 64
  static let largest = unit * classes - header
  /// In front of each block: its class; `classes` for one of the system's. As long as memory is aligned.
  private static let header = 16
  /// Bytes kept, all classes together.
  private static let bound = 1 << 20

  private struct Lists {
    var kept = 0
    /// The first free block of each class; the first word of each block is the next.
    var first: InlineArray<64, UnsafeMutableRawPointer?> = InlineArray(repeating: nil)
  }

  private let lists: UnsafeMutablePointer<Lists>
  /// For `nghttp2_session_…_new3`, which copies it. Valid as long as this object is.
  let functions: UnsafeMutablePointer<nghttp2_mem>

  package init() {
    lists = .allocate(capacity: 1)
    lists.initialize(to: Lists())
    functions = .allocate(capacity: 1)
    functions.initialize(
      to: nghttp2_mem(
        mem_user_data: lists, malloc: { SessionMemory.take($0, $1) }, free: { SessionMemory.give($0, $1) },
        calloc: { count, size, user in
          let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
          guard !overflow, let block = SessionMemory.take(bytes, user) else { return nil }
          return memset(block, 0, bytes)
        },
        realloc: { SessionMemory.resize($0, $1, $2) }))
  }

  deinit {
    for index in 0..<Self.classes {
      while let block = lists.pointee.first[index] {
        lists.pointee.first[index] = block.load(as: UnsafeMutableRawPointer?.self)
        free(block - Self.header)
      }
    }
    functions.deallocate()
    lists.deallocate()
  }

  /// Bytes that wait for their next use.
  package var kept: Int { lists.pointee.kept }

  private static func take(_ size: Int, _ user: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let lists = user?.assumingMemoryBound(to: Lists.self), size <= largest else { return allocate(size, class: classes) }
    let index = (size &+ header &- 1) / unit
    guard let block = lists.pointee.first[index] else { return allocate((index &+ 1) &* unit &- header, class: index) }
    lists.pointee.first[index] = block.load(as: UnsafeMutableRawPointer?.self)
    lists.pointee.kept &-= (index &+ 1) &* unit
    return block
  }

  private static func allocate(_ size: Int, class index: Int) -> UnsafeMutableRawPointer? {
    let (bytes, overflow) = size.addingReportingOverflow(header)
    guard size >= 0, !overflow, let start = malloc(bytes) else { return nil }
    start.storeBytes(of: index, as: Int.self)
    return start + header
  }

  private static func give(_ block: UnsafeMutableRawPointer?, _ user: UnsafeMutableRawPointer?) {
    guard let block else { return }
    let index = (block - header).load(as: Int.self)
    guard index < classes, let lists = user?.assumingMemoryBound(to: Lists.self), lists.pointee.kept < bound else {
      return free(block - header)
    }
    block.storeBytes(of: lists.pointee.first[index], as: UnsafeMutableRawPointer?.self)
    lists.pointee.first[index] = block
    lists.pointee.kept &+= (index &+ 1) &* unit
  }

  private static func resize(
    _ block: UnsafeMutableRawPointer?, _ size: Int, _ user: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    guard let block else { return take(size, user) }
    let index = (block - header).load(as: Int.self)
    if index == classes, size > largest {
      guard let moved = realloc(block - header, size + header) else { return nil }
      return moved + header
    }
    let room = index == classes ? largest : (index &+ 1) &* unit &- header
    if index < classes, size <= room { return block }
    guard let larger = take(size, user) else { return nil }
    // Shrinking from the system's memory, or growing: the smaller of the two is what there is to keep.
    memcpy(larger, block, min(size, index == classes ? size : room))
    give(block, user)
    return larger
  }
}
