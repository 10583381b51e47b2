import Bytes
import Testing

private final class Tenant {}

struct SlotTableTests {
  private typealias Table = SlotTable<Tenant>

  private func tenant() -> Tenant { Tenant() }

  private func find(_ table: borrowing Table, _ id: SlotID) -> Tenant? { table.find(id) }

  @Test func `A tenant is found by its slot and generation`() {
    var table = Table()
    let first = tenant()
    let second = tenant()
    let one = table.insert(first)
    let two = table.insert(second)
    #expect(one != two)
    #expect(find(table, one) === first)
    #expect(find(table, two) === second)
    #expect(table.count == 2)
    #expect(table.all().count == 2)
  }

  @Test func `A token of an earlier tenant finds nobody, though the slot is let again`() {
    var table = Table()
    let old = table.insert(tenant())
    #expect(table.remove(old) != nil)
    #expect(find(table, old) == nil)
    let tenant = tenant()
    let new = table.insert(tenant)
    #expect(new.index == old.index)
    #expect(new.generation != old.generation)
    #expect(find(table, old) == nil)
    #expect(find(table, new) === tenant)
    #expect(table.id(at: Int(new.index)) == new)
  }

  @Test func `A stale removal takes nothing away`() {
    var table = Table()
    let old = table.insert(tenant())
    _ = table.remove(old)
    let tenant = tenant()
    let new = table.insert(tenant)
    #expect(table.remove(old) == nil)
    #expect(find(table, new) === tenant)
    #expect(table.count == 1)
  }

  @Test func `A slot number that was never given out finds nobody`() {
    var table = Table()
    #expect(find(table, SlotID(index: 0, generation: 1)) == nil)
    #expect(table.remove(SlotID(index: 5, generation: 1)) == nil)
    #expect(table.id(at: 5) == nil)
    let id = table.insert(tenant())
    _ = table.remove(id)
    #expect(table.id(at: Int(id.index)) == nil)
    // The generation that the next tenant will have.
    #expect(find(table, SlotID(index: id.index, generation: id.generation + 1)) == nil)
  }

  @Test func `Slots that are free are used before new ones`() {
    var table = Table()
    let ids = (0..<10).map { _ in table.insert(tenant()) }
    for id in ids { _ = table.remove(id) }
    #expect(table.count == 0)
    let again = (0..<10).map { _ in table.insert(tenant()).index }
    #expect(Set(again) == Set(0..<10))
    #expect(table.insert(tenant()).index == 10)
  }

  @Test func `A slot's token gives the slot back`() {
    for id in [SlotID(index: 0, generation: 1), SlotID(index: .max, generation: .max), SlotID(index: 7, generation: 0x8000_0000)]
    {
      #expect(SlotID(token: id.token) == id)
    }
  }

  @Test func `A table holds its tenants, and no longer than they stay`() {
    var table = Table()
    weak var first: Tenant?
    let id: SlotID
    do {
      let made = tenant()
      first = made
      id = table.insert(made)
    }
    #expect(first != nil)
    _ = table.remove(id)
    #expect(first == nil)
  }

  @Test func `A table that is emptied finds nobody, and goes on`() {
    var table = Table()
    let ids = (0..<3).map { _ in table.insert(tenant()) }
    table.removeAll()
    #expect(table.count == 0)
    for id in ids { #expect(find(table, id) == nil) }
    #expect(ids.map(\.index).contains(table.insert(tenant()).index))
  }

  @Test func `Whoever goes through all may take them away`() {
    var table = Table()
    for _ in 0..<3 { _ = table.insert(tenant()) }
    var seen = 0
    table.forEach { _ in seen += 1 }
    #expect(seen == 3)
    for index in table.all().indices { _ = table.id(at: index).map { table.remove($0) } }
    #expect(table.count == 0)
  }
}
