import Bytes

/// The verified tokens of one worker, found by their bytes, within a bound on memory.
///
/// **Table.** Open addressing with linear probing over slots of a hash and a reference, never more than half full, allocated
/// once. A lookup looks at 32 slots at most and an entry that would be further off is not kept; removal moves later entries of
/// the run back, so there are no tombstones and the table never needs rebuilding.
///
/// **Eviction.** CLOCK: a hand goes over the slots, drops what expired, takes the mark from what was used since it last came by
/// and evicts what has no mark. A token enters without a mark, so a flood of tokens that are seen once evicts itself and leaves
/// the working set alone. Each insertion moves the hand until enough is free; each step either removes an entry or takes a mark
/// that a hit put there, so the work is constant per operation, amortised.
///
/// **Refusals are not cached.** Anyone can send any number of bad tokens, so they would evict the good ones; and a token refused
/// now can be good after the next key refresh or second.
package final class VerifiedTokenCache {
  /// The bound on `bytes`.
  package let capacity: Int
  /// Memory in use: the table and every entry with its heap objects.
  package private(set) var bytes: Int
  package private(set) var count = 0
  package private(set) var evictions: UInt64 = 0
  private var slots: [Slot]
  private let mask: Int
  private let hasher: TokenHash
  private var hand = 0

  private struct Slot {
    var hash: UInt64
    var token: VerifiedToken?
  }

  private static let probes = 32

  /// - Parameter capacity: bytes, 64 KiB at least. One slot for each 512 of them: an entry takes a KiB or more, so memory
  ///   runs out before half of the slots.
  package init(capacity: Int, hasher: TokenHash = .process) {
    self.capacity = max(capacity, 64 << 10)
    self.hasher = hasher
    var size = 64
    while size * 512 < self.capacity { size *= 2 }
    slots = [Slot](repeating: Slot(hash: 0, token: nil), count: size)
    mask = size - 1
    bytes = size * MemoryLayout<Slot>.stride
  }

  package func hash(_ token: Span<UInt8>) -> UInt64 { hasher.hash(token) }

  /// The entry for exactly these bytes. Allocates nothing.
  ///
  /// - Parameter hash: `hash(token)`.
  package func lookup(_ token: Span<UInt8>, hash: UInt64) -> VerifiedToken? {
    guard let (_, entry) = find(token, hash) else { return nil }
    entry.wasUsed = true
    return entry
  }

  /// Puts `entry` in, in place of one with the same bytes. Evicts others to stay within the bound; keeps nothing when the entry
  /// alone is above a quarter of it.
  package func insert(_ entry: VerifiedToken, now: Int64) {
    let bytes = entry.bytes
    if let (index, _) = find(bytes.span, entry.hash) { removeSlot(index) }
    guard entry.footprint <= capacity / 4 else { return }
    makeRoom(entry.footprint, now: now)
    var index = Int(truncatingIfNeeded: entry.hash) & mask
    for _ in 0..<Self.probes {
      if slots[index].token == nil {
        slots[index] = Slot(hash: entry.hash, token: entry)
        entry.isCached = true
        entry.wasUsed = false
        self.bytes += entry.footprint
        count += 1
        return
      }
      index = (index + 1) & mask
    }
  }

  /// Takes `entry` out, when it is in.
  package func remove(_ entry: VerifiedToken) {
    guard entry.isCached else { return }
    let bytes = entry.bytes
    guard let (index, held) = find(bytes.span, entry.hash), held === entry else { return }
    removeSlot(index)
  }

  /// Runs `change`, which may make `entry` heavier or lighter, and keeps the account.
  func update(_ entry: VerifiedToken, now: Int64, _ change: () -> Void) {
    let before = entry.footprint
    change()
    guard entry.isCached else { return }
    bytes += entry.footprint - before
    if bytes > capacity { makeRoom(0, now: now) }
  }

  // MARK: Inside

  private func find(_ token: Span<UInt8>, _ hash: UInt64) -> (index: Int, entry: VerifiedToken)? {
    var index = Int(truncatingIfNeeded: hash) & mask
    for _ in 0..<Self.probes {
      if slots[index].hash == hash, let held = slots[index].token, held.bytes.equals(token) { return (index, held) }
      if slots[index].token == nil { return nil }
      index = (index + 1) & mask
    }
    return nil
  }

  private func makeRoom(_ needed: Int, now: Int64) {
    while count > 0, bytes + needed > capacity || count > mask / 2 {
      guard let entry = slots[hand].token else {
        hand = next(hand)
        continue
      }
      if entry.wasUsed, entry.freshUntil > now {
        entry.wasUsed = false
        hand = next(hand)
      } else {
        // The hand stays: removal may have moved another entry here.
        removeSlot(hand)
        evictions += 1
      }
    }
  }

  /// An odd stride near the golden section of the table: the hand comes to each slot once a round, and what it frees lies
  /// spread over the table. One that went slot by slot would leave the part ahead of it twice as full as the average.
  private func next(_ slot: Int) -> Int { (slot &+ (mask / 8 &* 5 | 1)) & mask }

  /// Empties a slot and closes the gap: an entry behind it moves into it when its own place is not after the gap.
  private func removeSlot(_ removed: Int) {
    guard let entry = slots[removed].token else { return }
    bytes -= entry.footprint
    entry.isCached = false
    count -= 1
    var gap = removed
    var index = removed
    while true {
      index = (index + 1) & mask
      guard slots[index].token != nil else { break }
      let home = Int(truncatingIfNeeded: slots[index].hash) & mask
      // Distances are taken modulo the table: the run may go around its end.
      if (index - home) & mask >= (index - gap) & mask {
        slots[gap] = slots[index]
        gap = index
      }
    }
    slots[gap] = Slot(hash: 0, token: nil)
  }
}
