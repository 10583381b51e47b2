/// The channels of one loop, by slot number, each slot with a generation that changes whenever its channel does.
///
/// What the kernel is given to remember is slot and generation. An event that was already on its way when its channel
/// was closed carries an old generation and finds nobody, even if the slot has a new tenant.
package struct ConnectionTable: ~Copyable {
  private struct Slot {
    var channel: Channel?
    var generation: UInt32 = 1
    var nextFree: Int = -1
  }

  private var slots: [Slot] = []
  private var firstFree = -1
  package private(set) var count = 0

  package init() {}

  package mutating func insert(_ channel: Channel) -> SlotID {
    count &+= 1
    if firstFree >= 0 {
      let index = firstFree
      firstFree = slots[index].nextFree
      slots[index].channel = channel
      return SlotID(index: UInt32(truncatingIfNeeded: index), generation: slots[index].generation)
    }
    slots.append(Slot(channel: channel))
    return SlotID(index: UInt32(truncatingIfNeeded: slots.count - 1), generation: 1)
  }

  /// Empties the slot and gives its channel back; nil when `id` is of an earlier tenant.
  package mutating func remove(_ id: SlotID) -> Channel? {
    let index = Int(id.index)
    guard index < slots.count, slots[index].generation == id.generation, let channel = slots[index].channel else { return nil }
    slots[index].channel = nil
    slots[index].generation &+= 1
    slots[index].nextFree = firstFree
    firstFree = index
    count &-= 1
    return channel
  }

  /// The channel of an event, unless the event is stale. Not retained: the table holds it for as long as it is open.
  package func find(_ id: SlotID) -> Unmanaged<Channel>? {
    let index = Int(id.index)
    guard index < slots.count, slots[index].generation == id.generation else { return nil }
    guard let channel = slots[index].channel else { return nil }
    return Unmanaged.passUnretained(channel)
  }

  /// The present tenant of slot number `index`, for the timer wheel, which knows slots by their number alone.
  package func id(at index: Int) -> SlotID? {
    guard index < slots.count, slots[index].channel != nil else { return nil }
    return SlotID(index: UInt32(truncatingIfNeeded: index), generation: slots[index].generation)
  }

  /// Calls `body` with every channel; `body` may close any of them.
  package func all() -> [Channel] { slots.compactMap(\.channel) }
}

/// A slot of a connection table and the generation of its tenant: 64 bits that the kernel hands back with an event.
package struct SlotID: Equatable, Sendable {
  package let index: UInt32
  package let generation: UInt32

  package init(index: UInt32, generation: UInt32) {
    self.index = index
    self.generation = generation
  }

  package init(token: UInt64) {
    index = UInt32(truncatingIfNeeded: token)
    generation = UInt32(truncatingIfNeeded: token >> 32)
  }

  package var token: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}
