import Bytes
import Synchronization
import Testing

struct LazyTableTests {
  private struct Number: ~Copyable, Sendable {
    let value = Atomic<Int>(0)
  }

  @Test func `Elements are made when they are asked for, with those beside them`() {
    let table = LazyTable<Number>(capacity: 100, chunkCapacity: 16) { Number() }
    #expect((0..<100).allSatisfy { table.withMade($0) { _ in true } == nil })
    table.with(99) { $0.value.store(7, ordering: .relaxed) }
    #expect((0..<100).filter { table.withMade($0) { _ in true } != nil } == [96, 97, 98, 99])
    #expect(table.withMade(99) { $0.value.load(ordering: .relaxed) } == 7)
    #expect(table.with(98) { $0.value.load(ordering: .relaxed) } == 0)
  }

  @Test func `Threads that meet at a new element meet at one`() async {
    let table = LazyTable<Number>(capacity: 4096, chunkCapacity: 4) { Number() }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for index in 0..<4096 { table.with(index) { _ = $0.value.add(1, ordering: .relaxed) } } }
      }
    }
    #expect((0..<4096).allSatisfy { table.withMade($0) { $0.value.load(ordering: .relaxed) } == 8 })
  }

  @Test func `There is nothing beyond the capacity`() async {
    await #expect(processExitsWith: .failure) { LazyTable<Number>(capacity: 5, chunkCapacity: 4) { Number() }.with(5) { _ in } }
    await #expect(processExitsWith: .failure) {
      LazyTable<Number>(capacity: 5, chunkCapacity: 4) { Number() }.withMade(-1) { _ in }
    }
  }
}
