import Bytes
import Synchronization

/// Counters found by `SeriesKey`: the part that any thread reads. Series are numbered from 0 in the order they came, and none goes.
final class SeriesTable: Sendable {
  /// Above this, what is new is counted by nobody; `dropped` says how often.
  static let capacity = 65_536

  struct Series: ~Copyable, Sendable {
    /// Written once, before the count of series says that it is there.
    let key = Counter()
    let counter = Counter()
  }

  private let series = LazyTable<Series>(capacity: capacity, chunkCapacity: 256) { Series() }
  private let published = Atomic<Int>(0)
  let dropped = Counter()

  /// Calls `body` with each series there is.
  func forEach(_ body: (SeriesKey, UInt64) -> Void) {
    for index in 0..<published.load(ordering: .acquiring) {
      series.withMade(index) { body(SeriesKey(rawValue: $0.key.read()), $0.counter.read()) }
    }
  }

  /// Adds `amount` to the series `number` if it is that of `key`. By the one writer only.
  @inline(__always)
  func add(_ amount: UInt64, to number: Int, ifKeyIs key: SeriesKey) -> Bool {
    series.with(number) { one in
      guard one.key.read() == key.rawValue else { return false }
      one.counter.add(amount)
      return true
    }
  }

  func key(of number: Int) -> SeriesKey { series.with(number) { SeriesKey(rawValue: $0.key.read()) } }

  /// Begins the series of `key` with `amount`. By the one writer only.
  ///
  /// - Returns: its number; nil when the table is full.
  func append(_ key: SeriesKey, _ amount: UInt64) -> Int? {
    let number = published.load(ordering: .relaxed)
    guard number < Self.capacity else {
      // The amount may be one to take away.
      dropped.add(1)
      return nil
    }
    series.with(number) {
      $0.key.set(key.rawValue)
      $0.counter.add(amount)
    }
    published.store(number + 1, ordering: .releasing)
    return number
  }
}

/// The way from a key to its series: the one writer's own. A series seen before is found without allocation; a new one may
/// double the index.
struct SeriesIndex {
  private let table: SeriesTable
  /// Open addressing, linear probing, at most half full. A slot holds a series' number plus one; 0 is free.
  private var slots = [UInt32](repeating: 0, count: 256)

  init(_ table: SeriesTable) { self.table = table }

  /// Adds `amount` to the counter of `key`.
  mutating func add(_ key: SeriesKey, _ amount: UInt64 = 1) {
    let mask = slots.count &- 1
    var slot = Self.hash(key.rawValue) & mask
    while true {
      let number = slots[slot]
      if number == 0 { return insert(key, at: slot, amount) }
      if table.add(amount, to: Int(number) &- 1, ifKeyIs: key) { return }
      slot = (slot &+ 1) & mask
    }
  }

  @inline(never)
  private mutating func insert(_ key: SeriesKey, at slot: Int, _ amount: UInt64) {
    guard let number = table.append(key, amount) else { return }
    slots[slot] = UInt32(number + 1)
    if (number + 1) * 2 >= slots.count { grow(number + 1) }
  }

  private mutating func grow(_ count: Int) {
    let size = slots.count * 2
    slots = [UInt32](repeating: 0, count: size)
    for number in 0..<count {
      var slot = Self.hash(table.key(of: number).rawValue) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = UInt32(number + 1)
    }
  }

  /// Keys are made of our own numbers, so a fixed multiplier does (Fibonacci hashing); nobody outside can pick collisions.
  @inline(__always)
  private static func hash(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32)
  }
}
