import Synchronization

/// Counters found by `SeriesKey`. One thread counts; any thread reads what was published.
///
/// A series lives in a chunk that never moves. It is written whole before the count of series, stored with release, says
/// that it is there; a reader loads the count with acquire. The index from key to series is the writer's alone. A series seen
/// before is found without allocation; a new one may allocate its chunk or double the index.
final class SeriesTable: @unchecked Sendable {
  private static let chunkCapacity = 256
  private static let maximumChunks = 256
  /// Above this, what is new is counted by nobody; `dropped` says how often.
  static let capacity = chunkCapacity * maximumChunks

  private struct Series: ~Copyable {
    let key: UInt64
    let counter = Counter()
    init(key: UInt64) { self.key = key }
  }

  private let chunks: UnsafeMutablePointer<UnsafeMutablePointer<Series>?>
  private let published = Atomic<Int>(0)
  let dropped = Counter()

  // The writer's own: open addressing, linear probing, at most half full. A slot holds a series' number plus one; 0 is free.
  private var slots: UnsafeMutablePointer<UInt32>
  private var slotMask: Int

  init() {
    chunks = .allocate(capacity: Self.maximumChunks)
    chunks.initialize(repeating: nil, count: Self.maximumChunks)
    slotMask = 255
    slots = .allocate(capacity: 256)
    slots.initialize(repeating: 0, count: 256)
  }

  deinit {
    for index in 0..<published.load(ordering: .acquiring) { (series(index)).deinitialize(count: 1) }
    for index in 0..<Self.maximumChunks { chunks[index]?.deallocate() }
    chunks.deallocate()
    slots.deallocate()
  }

  /// Adds `amount` to the counter of `key`. By the one writer only.
  func add(_ key: SeriesKey, _ amount: UInt64 = 1) {
    var slot = Self.hash(key.rawValue) & slotMask
    while true {
      let number = slots[slot]
      if number == 0 { return insert(key, at: slot, amount) }
      let found = series(Int(number) &- 1)
      if found.pointee.key == key.rawValue { return found.pointee.counter.add(amount) }
      slot = (slot &+ 1) & slotMask
    }
  }

  /// Calls `body` with each series there is. By any thread.
  func forEach(_ body: (SeriesKey, UInt64) -> Void) {
    for index in 0..<published.load(ordering: .acquiring) {
      let one = series(index)
      body(SeriesKey(rawValue: one.pointee.key), one.pointee.counter.read())
    }
  }

  @inline(__always)
  private func series(_ index: Int) -> UnsafeMutablePointer<Series> {
    // A number that was handed out names a chunk that is there.
    chunks[index / Self.chunkCapacity].unsafelyUnwrapped + index % Self.chunkCapacity
  }

  @inline(never)
  private func insert(_ key: SeriesKey, at slot: Int, _ amount: UInt64) {
    let count = published.load(ordering: .relaxed)
    if count == Self.capacity { return dropped.add(amount) }
    let chunk = count / Self.chunkCapacity
    if chunks[chunk] == nil { chunks[chunk] = .allocate(capacity: Self.chunkCapacity) }
    let new = series(count)
    new.initialize(to: Series(key: key.rawValue))
    new.pointee.counter.add(amount)
    published.store(count + 1, ordering: .releasing)
    slots[slot] = UInt32(count + 1)
    if (count + 1) * 2 > slotMask { growIndex(count + 1) }
  }

  private func growIndex(_ count: Int) {
    let size = (slotMask + 1) * 2
    slots.deallocate()
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    slotMask = size - 1
    for index in 0..<count {
      var slot = Self.hash(series(index).pointee.key) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = UInt32(index + 1)
    }
  }

  /// Keys are made of our own numbers, so a fixed multiplier does (Fibonacci hashing); nobody outside can pick collisions.
  @inline(__always)
  private static func hash(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32)
  }
}
