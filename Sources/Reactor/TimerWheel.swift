/// Deadlines of the slots of a connection table: one a slot, in milliseconds of the loop's clock.
///
/// A hashed wheel of `bucketCount` buckets, one tick each. Pushing a deadline back, which every request does several
/// times, only stores it: the entry stays in its old bucket, and when that bucket comes up it is filed again under
/// the deadline stored by then. Deadlines fire at their tick or after it, never before.
package struct TimerWheel: ~Copyable {
  /// Milliseconds a tick. Deadlines are idle times and time-outs of hundreds of milliseconds at least.
  package static let tick: UInt64 = 16
  /// 4,096 × 16 ms = 65 s; a longer deadline goes round again.
  private static let bucketCount = 4096
  private static let none = UInt32.max

  /// Per slot: the deadline in ms (0 is none), the tick it is filed under, and its neighbours in the bucket.
  private struct Entry {
    var deadline: UInt64 = 0
    var filed: UInt64 = 0
    var next = TimerWheel.none
    var previous = TimerWheel.none
    var isFiled = false
  }

  private var entries: [Entry] = []
  private var buckets: [UInt32]
  private var currentTick: UInt64
  /// No entry is filed under a tick before this one. `UInt64.max` when none is filed.
  private var earliest = UInt64.max
  private var filedCount = 0

  package init(now: UInt64) {
    buckets = Array(repeating: Self.none, count: Self.bucketCount)
    currentTick = now / Self.tick
  }

  /// Sets, moves or (with 0) clears the deadline of `slot`.
  package mutating func set(_ slot: Int, deadline: UInt64) {
    if slot >= entries.count { grow(to: slot + 1) }
    entries[slot].deadline = deadline
    if deadline == 0 { return }
    let due = max(Self.dueTick(deadline), currentTick &+ 1)
    if entries[slot].isFiled {
      if entries[slot].filed <= due { return }
      unfile(UInt32(truncatingIfNeeded: slot))
    }
    file(UInt32(truncatingIfNeeded: slot), due)
  }

  /// The deadline of `slot`, 0 for none.
  package func deadline(of slot: Int) -> UInt64 { slot < entries.count ? entries[slot].deadline : 0 }

  /// Forgets `slot`: it is about to be used for something else.
  package mutating func remove(_ slot: Int) {
    guard slot < entries.count else { return }
    entries[slot].deadline = 0
    if entries[slot].isFiled { unfile(UInt32(truncatingIfNeeded: slot)) }
  }

  /// Milliseconds until there may be something to do; nil when no deadline is set.
  package func delay(now: UInt64) -> UInt64? {
    guard filedCount > 0 else { return nil }
    let at = earliest &* Self.tick
    return at > now ? at &- now : 0
  }

  /// Moves the wheel to `now` and appends the slots whose deadlines have passed to `expired`, their deadlines cleared.
  package mutating func advance(now: UInt64, into expired: inout [UInt32]) {
    let target = now / Self.tick
    guard target > currentTick else { return }
    if filedCount == 0 || earliest > target {
      currentTick = target
      return
    }
    // After a long sleep each bucket is looked at once, however many rounds were missed.
    let steps = min(target &- currentTick, UInt64(Self.bucketCount))
    var step: UInt64 = 1
    let from = target &- steps
    currentTick = target
    while step <= steps {
      drain(Int((from &+ step) % UInt64(Self.bucketCount)), target, now, &expired)
      step &+= 1
    }
    recomputeEarliest()
  }

  private mutating func drain(_ bucket: Int, _ target: UInt64, _ now: UInt64, _ expired: inout [UInt32]) {
    var slot = buckets[bucket]
    while slot != Self.none {
      let next = entries[Int(slot)].next
      if entries[Int(slot)].filed <= target {
        unfile(slot)
        let deadline = entries[Int(slot)].deadline
        if deadline == 0 {
          // Cleared since it was filed.
        } else if deadline <= now {
          entries[Int(slot)].deadline = 0
          expired.append(slot)
        } else {
          file(slot, max(Self.dueTick(deadline), target &+ 1))
        }
      }
      slot = next
    }
  }

  /// The first tick at which `deadline` has passed.
  private static func dueTick(_ deadline: UInt64) -> UInt64 { deadline / tick &+ (deadline % tick == 0 ? 0 : 1) }

  private mutating func file(_ slot: UInt32, _ due: UInt64) {
    let bucket = Int(due % UInt64(Self.bucketCount))
    let head = buckets[bucket]
    entries[Int(slot)].filed = due
    entries[Int(slot)].next = head
    entries[Int(slot)].previous = Self.none
    entries[Int(slot)].isFiled = true
    if head != Self.none { entries[Int(head)].previous = slot }
    buckets[bucket] = slot
    filedCount &+= 1
    if due < earliest { earliest = due }
  }

  private mutating func unfile(_ slot: UInt32) {
    let entry = entries[Int(slot)]
    if entry.previous != Self.none {
      entries[Int(entry.previous)].next = entry.next
    } else {
      buckets[Int(entry.filed % UInt64(Self.bucketCount))] = entry.next
    }
    if entry.next != Self.none { entries[Int(entry.next)].previous = entry.previous }
    entries[Int(slot)].isFiled = false
    filedCount &-= 1
    if filedCount == 0 { earliest = .max }
  }

  /// The next bucket with something in it bounds the next deadline from below, whatever round its entries are for.
  private mutating func recomputeEarliest() {
    guard filedCount > 0 else {
      earliest = .max
      return
    }
    var ahead: UInt64 = 1
    while ahead <= UInt64(Self.bucketCount) {
      if buckets[Int((currentTick &+ ahead) % UInt64(Self.bucketCount))] != Self.none { break }
      ahead &+= 1
    }
    earliest = currentTick &+ ahead
  }

  private mutating func grow(to count: Int) {
    var size = max(64, entries.count)
    while size < count { size *= 2 }
    entries.append(contentsOf: repeatElement(Entry(), count: size - entries.count))
  }
}
