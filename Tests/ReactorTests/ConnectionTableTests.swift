import Reactor
import Testing

struct ConnectionTableTests {
  private let loop: EventLoop

  init() throws { loop = try EventLoop() }

  private func channel() -> Channel { Channel(loop: loop, descriptor: -1) }

  private func find(_ table: borrowing ConnectionTable, _ id: SlotID) -> Channel? { table.find(id)?.takeUnretainedValue() }

  @Test func `A channel is found by its slot and generation`() {
    var table = ConnectionTable()
    let first = channel()
    let second = channel()
    let one = table.insert(first)
    let two = table.insert(second)
    #expect(one != two)
    #expect(find(table, one) === first)
    #expect(find(table, two) === second)
    #expect(table.count == 2)
    #expect(table.all().count == 2)
  }

  @Test func `An event of an earlier tenant finds nobody, though the slot is let again`() {
    var table = ConnectionTable()
    let old = table.insert(channel())
    #expect(table.remove(old) != nil)
    #expect(find(table, old) == nil)
    let tenant = channel()
    let new = table.insert(tenant)
    #expect(new.index == old.index)
    #expect(new.generation != old.generation)
    #expect(find(table, old) == nil)
    #expect(find(table, new) === tenant)
    #expect(table.id(at: Int(new.index)) == new)
  }

  @Test func `A stale removal takes nothing away`() {
    var table = ConnectionTable()
    let old = table.insert(channel())
    _ = table.remove(old)
    let tenant = channel()
    let new = table.insert(tenant)
    #expect(table.remove(old) == nil)
    #expect(find(table, new) === tenant)
    #expect(table.count == 1)
  }

  @Test func `A slot number that was never given out finds nobody`() {
    var table = ConnectionTable()
    #expect(find(table, SlotID(index: 0, generation: 1)) == nil)
    #expect(table.remove(SlotID(index: 5, generation: 1)) == nil)
    #expect(table.id(at: 5) == nil)
    let id = table.insert(channel())
    _ = table.remove(id)
    #expect(table.id(at: Int(id.index)) == nil)
    // The generation that the next tenant will have.
    #expect(find(table, SlotID(index: id.index, generation: id.generation + 1)) == nil)
  }

  @Test func `Slots that are free are used before new ones`() {
    var table = ConnectionTable()
    let ids = (0..<10).map { _ in table.insert(channel()) }
    for id in ids { _ = table.remove(id) }
    #expect(table.count == 0)
    let again = (0..<10).map { _ in table.insert(channel()).index }
    #expect(Set(again) == Set(0..<10))
    #expect(table.insert(channel()).index == 10)
  }

  @Test func `A slot's token gives the slot back`() {
    for id in [SlotID(index: 0, generation: 1), SlotID(index: .max, generation: .max), SlotID(index: 7, generation: 0x8000_0000)]
    {
      #expect(SlotID(token: id.token) == id)
    }
  }
}
