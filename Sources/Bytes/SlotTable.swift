/// Objects by slot number, each slot with a generation that changes whenever its tenant does.
///
/// Slot and generation are what is given to whoever has to find an object again and may not hold it: the kernel, a C library, a table
/// of somebody else's. An object that has gone is nobody, whenever it is asked for, even if its slot has a new tenant.
@usableFromInline package struct SlotTable<Tenant: AnyObject>: ~Copyable {
  @usableFromInline struct Slot {
    @usableFromInline var tenant: Tenant?
    @usableFromInline var generation: UInt32 = 1
    /// In an empty slot: the next one of those that are empty.
    @usableFromInline var nextFree = UInt32.max

    @inlinable init(tenant: Tenant) { self.tenant = tenant }
  }

  @usableFromInline var slots: [Slot] = []
  @usableFromInline var firstFree = UInt32.max
  @usableFromInline var tenants = 0

  @inlinable package init() {}

  @inlinable package var count: Int { tenants }
  @inlinable package var isEmpty: Bool { tenants == 0 }

  @inlinable package mutating func insert(_ tenant: Tenant) -> SlotID {
    tenants &+= 1
    let index = firstFree
    guard index != .max else {
      slots.append(Slot(tenant: tenant))
      return SlotID(index: UInt32(truncatingIfNeeded: slots.count &- 1), generation: 1)
    }
    firstFree = slots[Int(index)].nextFree
    slots[Int(index)].tenant = tenant
    return SlotID(index: index, generation: slots[Int(index)].generation)
  }

  /// Empties the slot and gives its tenant back; nil when `id` is of an earlier one.
  @discardableResult
  @inlinable package mutating func remove(_ id: SlotID) -> Tenant? {
    let index = Int(id.index)
    guard index < slots.count, slots[index].generation == id.generation, let tenant = slots[index].tenant.take() else { return nil }
    // 0 is never a generation, so that no slot's token is 0.
    slots[index].generation = id.generation == .max ? 1 : id.generation &+ 1
    slots[index].nextFree = firstFree
    firstFree = id.index
    tenants &-= 1
    return tenant
  }

  /// The tenant that `id` was given for, unless it has gone.
  @inlinable package func find(_ id: SlotID) -> Tenant? {
    let index = Int(id.index)
    guard index < slots.count, slots[index].generation == id.generation else { return nil }
    return slots[index].tenant
  }

  /// The present tenant of slot number `index`, for whoever knows slots by their number alone.
  @inlinable package func id(at index: Int) -> SlotID? {
    guard index < slots.count, slots[index].tenant != nil else { return nil }
    return SlotID(index: UInt32(truncatingIfNeeded: index), generation: slots[index].generation)
  }

  /// Every tenant, in a list of its own: whoever goes through it may insert and remove.
  @inlinable package func all() -> [Tenant] { slots.compactMap(\.tenant) }

  /// Calls `body`, which may not touch the table, with every tenant.
  @inlinable package func forEach(_ body: (Tenant) -> Void) {
    for slot in slots { if let tenant = slot.tenant { body(tenant) } }
  }

  /// Forgets every tenant.
  @inlinable package mutating func removeAll() {
    for index in slots.indices {
      guard let id = id(at: index) else { continue }
      remove(id)
    }
  }
}

/// A slot of a table and the generation of its tenant: 64 bits, for instance for the kernel, which hands them back with an event.
@usableFromInline package struct SlotID: Equatable, Sendable {
  @usableFromInline package let index: UInt32
  @usableFromInline package let generation: UInt32

  @inlinable package init(index: UInt32, generation: UInt32) {
    self.index = index
    self.generation = generation
  }

  @inlinable package init(token: UInt64) {
    index = UInt32(truncatingIfNeeded: token)
    generation = UInt32(truncatingIfNeeded: token >> 32)
  }

  /// Never 0.
  @inlinable package var token: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}
