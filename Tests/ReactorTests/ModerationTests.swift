import CLinux
import Testing

@testable import Reactor

struct ModerationTests {
  private static let turn: UInt64 = 200_000
  private var moderation = Moderation()
  private var clock: UInt64 = 1_000_000_000

  /// A turn of `time` ns behind `idle` ns; whether the loop rests behind it.
  private mutating func turn(_ time: UInt64 = turn, idle: UInt64 = 0, messages: Int = 40, writers: Int = 4) -> Bool {
    clock += idle
    let began = clock
    clock += time
    let rest = moderation.turnEnded(began: began, ended: clock, messages: messages, writers: writers)
    #expect(rest == 0 || rest == Moderation.rest)
    return rest > 0
  }

  /// Turns until the loop knows that it is busy.
  private mutating func getBusy() {
    for _ in 0..<2 * Moderation.window / Self.turn { _ = turn() }
    #expect(moderation.isBusy)
  }

  @Test mutating func `A loop that has just begun does not rest`() {
    for _ in 0..<10 { #expect(!turn()) }
  }

  @Test mutating func `A busy loop whose connections share rests after each turn`() {
    getBusy()
    for _ in 0..<200 { #expect(turn()) }
  }

  @Test mutating func `It does so with its rests counted as idle`() {
    getBusy()
    for _ in 0..<200 { #expect(turn(idle: 2 * Moderation.rest)) }
  }

  @Test mutating func `A loop that is idle for more than half of the time does not rest`() {
    for _ in 0..<500 { #expect(!turn(idle: Self.turn + 50_000)) }
  }

  @Test mutating func `What comes behind a silence meets no rest, however busy the loop was`() {
    getBusy()
    #expect(!turn(idle: 3 * Moderation.window))
    #expect(!turn())
  }

  @Test mutating func `Turns that are short, or have found enough, have none behind them`() {
    getBusy()
    #expect(!turn(Moderation.shortest - 1))
    #expect(turn(Moderation.shortest))
    #expect(turn(Moderation.longest - 1))
    #expect(!turn(Moderation.longest))
  }

  @Test mutating func `Connections that carry a message each are not kept waiting`() {
    getBusy()
    #expect(!turn(messages: 4 * 4 - 1, writers: 4))
    #expect(turn(messages: 4 * 4, writers: 4))
    #expect(!turn(messages: 32, writers: 32))
  }

  /// Turns a loop on which two channels are always ready, work for 75 µs each and have `messages` to write, for 200 ms; or until it
  /// has rested, for as long as a machine takes that others keep busy.
  private func rests(messages: Int, awaited: Bool = false) throws -> Int {
    let loop = try EventLoop()
    let wires = [Wire(loop), Wire(loop)]
    defer {
      for wire in wires { wire.close() }
      loop.closeAll()
    }
    for wire in wires {
      try wire.channel.register(.read)
      let channel = wire.channel
      channel.onReady = { [unowned channel] _ in
        let until = Clock.monotonicNanoseconds() + 75_000
        while Clock.monotonicNanoseconds() < until {}
        for _ in 0..<messages { channel.awaitTurnEnd() }
      }
      wire.send()
    }
    let until = Clock.monotonicNanoseconds() + (awaited ? 60_000_000_000 : 200_000_000)
    while Clock.monotonicNanoseconds() < until, !awaited || loop.restCount == 0 { loop.turn(atMost: 0) }
    return loop.restCount
  }

  @Test func `A loop does as it is told`() throws {
    #expect(try rests(messages: 4, awaited: true) > 0)
    #expect(try rests(messages: 3) == 0)
  }
}
