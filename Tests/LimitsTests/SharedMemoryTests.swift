import Limits
import Testing

struct SharedMemoryTests {
  private let one = ClientAddress(high: 1 << 61, low: 0)
  private let other = ClientAddress(high: 1 << 62, low: 0)

  private func client(_ number: Int) -> ClientAddress { ClientAddress(high: UInt64(number + 1) << 32, low: 0) }

  @Test func `Nobody has more than is free beside him, and all together have no more than there is`() {
    var memory = SharedMemory(limit: 100)
    #expect(memory.grants(50, to: one) == true)
    #expect(memory.grants(51, to: one) == false)
    memory.take(50, for: one)
    #expect(memory.grants(1, to: one) == false)
    #expect(memory.grants(25, to: other) == true)
    #expect(memory.grants(26, to: other) == false)
    memory.take(25, for: other)
    memory.give(50, from: one)
    #expect(memory.grants(37, to: one) == true)
    #expect(memory.grants(38, to: one) == false)
    #expect(memory.grants(12, to: other) == true)
    #expect(memory.used == 25)
    #expect(memory.clients == 1)
    #expect(memory.amount(of: other) == 25)
  }

  /// The two of whom each has half are not there.
  @Test func `Two cannot use up all of it, nor can ten`() {
    var memory = SharedMemory(limit: 64 << 20)
    let block = 16 << 10
    for number in 0..<10 {
      while memory.grants(block, to: client(number)) { memory.take(block, for: client(number)) }
      #expect(memory.grants(block, to: client(number + 1)) == true)
    }
    let (used, limit) = (memory.used, memory.limit)
    #expect(used < limit)
  }

  /// Where content comes and goes, all who want what they can get come to have about the same.
  @Test func `What is given back is shared by all who come`() {
    var memory = SharedMemory(limit: 1_100)
    while memory.grants(1, to: client(0)) { memory.take(1, for: client(0)) }
    for _ in 0..<2_000 {
      for number in 0..<10 {
        if memory.amount(of: client(number)) > 0 { memory.give(1, from: client(number)) }
        for _ in 0..<2 where memory.grants(1, to: client(number)) { memory.take(1, for: client(number)) }
      }
    }
    for number in 0..<10 {
      let amount = memory.amount(of: client(number))
      #expect((90...110).contains(amount))
    }
  }

  @Test func `Clients that cannot be told apart have all of it together`() {
    var memory = SharedMemory(limit: 100)
    memory.take(60, for: .unknown)
    #expect(memory.grants(40, to: .unknown) == true)
    #expect(memory.grants(41, to: .unknown) == false)
    memory.give(60, from: .unknown)
    #expect(memory.used == 0)
  }

  @Test func `A lower limit holds at once`() {
    var memory = SharedMemory(limit: 100)
    memory.take(40, for: one)
    memory.limit = 50
    #expect(memory.grants(5, to: other) == true)
    #expect(memory.grants(6, to: other) == false)
    #expect(memory.grants(1, to: one) == false)
    memory.limit = 30
    #expect(memory.grants(1, to: other) == false)
    #expect(memory.grants(1, to: .unknown) == false)
  }
}
