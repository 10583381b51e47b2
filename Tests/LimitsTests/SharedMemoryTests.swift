import Limits
import Testing

struct SharedMemoryTests {
  private let one = ClientAddress(high: 1 << 61, low: 0)
  private let other = ClientAddress(high: 1 << 62, low: 0)
  private let third = ClientAddress(high: 1 << 63, low: 0)

  @Test func `One client has at most half, and all together have no more than there is`() {
    var memory = SharedMemory(limit: 100)
    #expect(memory.asks(50, for: one) == .granted)
    #expect(memory.asks(51, for: one) == .clientHasItsPart)
    #expect(memory.asks(101, for: one) == .exhausted)
    memory.take(50, for: one)
    #expect(memory.asks(1, for: one) == .clientHasItsPart)
    memory.take(40, for: other)
    #expect(memory.asks(10, for: other) == .granted)
    #expect(memory.asks(11, for: third) == .exhausted)
    memory.give(50, from: one)
    #expect(memory.asks(1, for: one) == .granted)
    #expect((memory.used, memory.clients) == (40, 1))
  }

  @Test func `Clients that cannot be told apart have all of it together`() {
    var memory = SharedMemory(limit: 100)
    memory.take(60, for: .unknown)
    #expect(memory.asks(40, for: .unknown) == .granted)
    #expect(memory.asks(41, for: .unknown) == .exhausted)
    memory.give(60, from: .unknown)
    #expect(memory.used == 0)
  }

  @Test func `A lower limit holds at once`() {
    var memory = SharedMemory(limit: 100)
    memory.take(40, for: one)
    memory.limit = 50
    #expect(memory.asks(10, for: other) == .granted)
    #expect(memory.asks(11, for: other) == .exhausted)
    #expect(memory.asks(1, for: one) == .clientHasItsPart)
    memory.limit = 30
    #expect(memory.asks(1, for: other) == .exhausted)
  }
}
