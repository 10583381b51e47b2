import Synchronization

/// Elements at fixed places, made when they are first asked for: a large table costs what is used of it. Any thread may ask; what
/// an element lets several threads do at once is its own affair.
///
/// Elements are made in chunks. A chunk is written whole before its address is stored with release, and its address is loaded with
/// acquire, so that whoever finds it finds it whole. It neither moves nor goes before the table does.
@usableFromInline @safe package final class LazyTable<Element: ~Copyable & Sendable>: @unchecked Sendable {
  @usableFromInline package let capacity: Int
  /// A chunk has two to the power of this many elements.
  @usableFromInline let chunkBits: Int
  // One place for each chunk: nil, or the address of `chunkCapacity` elements, which belong to the table.
  @usableFromInline let chunks: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Element>?>>
  @usableFromInline let chunkCount: Int
  @usableFromInline var chunkCapacity: Int { 1 << chunkBits }
  private let make: @Sendable () -> Element

  /// - Parameters:
  ///   - capacity: how many elements there may be.
  ///   - chunkCapacity: how many of them are made at once; a power of two.
  package init(capacity: Int, chunkCapacity: Int, _ make: @escaping @Sendable () -> Element) {
    precondition(capacity >= 0 && chunkCapacity > 0 && chunkCapacity & (chunkCapacity - 1) == 0)
    self.capacity = capacity
    chunkBits = chunkCapacity.trailingZeroBitCount
    self.make = make
    chunkCount = (capacity + chunkCapacity - 1) / chunkCapacity
    unsafe chunks = .allocate(capacity: chunkCount)
    // Room for `chunkCount` of them, which nobody knows of yet.
    for index in 0..<chunkCount { unsafe (chunks + index).initialize(to: Atomic(nil)) }
  }

  deinit {
    for index in 0..<chunkCount {
      // Nobody has the table any more, so nobody is in a chunk; each was made by `makeChunk`, whole.
      if let chunk = unsafe chunks[index].load(ordering: .acquiring) {
        unsafe chunk.deinitialize(count: chunkCapacity)
        unsafe chunk.deallocate()
      }
    }
    unsafe chunks.deinitialize(count: chunkCount)
    unsafe chunks.deallocate()
  }

  /// Calls `body` with the element at `index`, which is made if it was not.
  @inlinable @inline(__always)
  package func with<Result>(_ index: Int, _ body: (borrowing Element) -> Result) -> Result {
    precondition(index >= 0 && index < capacity)
    let number = index >> chunkBits
    // The number of a chunk, by the precondition; a place in it, by the remainder. It stays while the table is used.
    let chunk = unsafe chunks[number].load(ordering: .acquiring) ?? makeChunk(number)
    return unsafe body(chunk[index & (1 << chunkBits &- 1)])
  }

  /// Calls `body` with the element at `index` when it was made, else returns nil.
  @inlinable @inline(__always)
  package func withMade<Result>(_ index: Int, _ body: (borrowing Element) -> Result) -> Result? {
    precondition(index >= 0 && index < capacity)
    // As in `with`.
    guard let chunk = unsafe chunks[index >> chunkBits].load(ordering: .acquiring) else { return nil }
    return unsafe body(chunk[index & (1 << chunkBits &- 1)])
  }

  @usableFromInline @inline(never)
  func makeChunk(_ number: Int) -> UnsafeMutablePointer<Element> {
    let chunk = UnsafeMutablePointer<Element>.allocate(capacity: chunkCapacity)
    // Room for as many, which nobody else knows of.
    for offset in 0..<chunkCapacity { unsafe (chunk + offset).initialize(to: make()) }
    let (won, other) = unsafe chunks[number].compareExchange(expected: nil, desired: chunk, ordering: .acquiringAndReleasing)
    if won { return unsafe chunk }
    // Another thread was faster: its chunk is the one, and nobody has seen this one.
    unsafe chunk.deinitialize(count: chunkCapacity)
    unsafe chunk.deallocate()
    return unsafe other.unsafelyUnwrapped
  }
}
