import Reactor
import Testing

struct TimerWheelTests {
  private static let tick = TimerWheel.tick
  /// One round of the wheel, in milliseconds.
  private static let round = 4_096 * tick

  private func advance(_ wheel: inout TimerWheel, to now: UInt64) -> [UInt32] {
    var expired: [UInt32] = []
    wheel.advance(now: now, into: &expired)
    return expired
  }

  @Test func `A wheel without deadlines has nothing to wait for`() {
    var wheel = TimerWheel(now: 1_000)
    #expect(wheel.delay(now: 1_000) == nil)
    #expect(advance(&wheel, to: 1_000_000) == [])
    #expect(wheel.deadline(of: 7) == 0)
  }

  @Test(
    arguments: [0, 1, 15, 16, 17, 999] as [UInt64], [1, 15, 16, 17, 100, 1_000, 65_535, 65_536, 65_537, 200_000] as [UInt64])
  func `A deadline fires neither early nor more than a tick late`(start: UInt64, after: UInt64) {
    var wheel = TimerWheel(now: start)
    let deadline = start + after
    wheel.set(3, deadline: deadline)
    #expect(wheel.deadline(of: 3) == deadline)
    // Every millisecond near the time, in longer steps before.
    var now = start
    while now < deadline {
      #expect(advance(&wheel, to: now) == [], "early: at \(now) for \(deadline)")
      now += deadline - now > 50 ? 13 : 1
    }
    now = deadline
    var fired: UInt64?
    while fired == nil, now < deadline + 100 {
      if advance(&wheel, to: now) == [3] { fired = now } else { now += 1 }
    }
    #expect(fired.map { $0 - deadline < Self.tick } == true)
    #expect(wheel.deadline(of: 3) == 0)
    #expect(wheel.delay(now: now) == nil)
    #expect(advance(&wheel, to: deadline + 3 * Self.round) == [])
  }

  @Test func `A deadline that has passed already fires with the next tick`() {
    var wheel = TimerWheel(now: 10_000)
    wheel.set(0, deadline: 1)
    #expect(advance(&wheel, to: 10_000) == [])
    #expect(advance(&wheel, to: 10_000 + Self.tick) == [0])
  }

  @Test func `A deadline pushed back fires once, at its later time`() {
    var wheel = TimerWheel(now: 0)
    for step in 0..<100 as Range<UInt64> {
      wheel.set(1, deadline: step * 50 + 1_000)
      #expect(advance(&wheel, to: step * 50) == [])
    }
    let last: UInt64 = 99 * 50 + 1_000
    #expect(advance(&wheel, to: last - 1) == [])
    #expect(advance(&wheel, to: last + Self.tick) == [1])
    #expect(advance(&wheel, to: last + 2 * Self.round) == [])
  }

  @Test func `A deadline pulled forward fires at its earlier time, and not again`() {
    var wheel = TimerWheel(now: 0)
    wheel.set(1, deadline: 60_000)
    wheel.set(1, deadline: 160)
    #expect(wheel.delay(now: 0) == 160)
    #expect(advance(&wheel, to: 159) == [])
    #expect(advance(&wheel, to: 160) == [1])
    #expect(advance(&wheel, to: 70_000) == [])
  }

  @Test func `A cleared deadline does not fire, and can be set again`() {
    var wheel = TimerWheel(now: 0)
    wheel.set(1, deadline: 100)
    wheel.set(1, deadline: 0)
    #expect(advance(&wheel, to: 200) == [])
    wheel.set(1, deadline: 300)
    #expect(advance(&wheel, to: 299) == [])
    #expect(advance(&wheel, to: 304) == [1])
  }

  @Test func `A removed slot starts anew for its next tenant`() {
    var wheel = TimerWheel(now: 0)
    wheel.set(1, deadline: 100)
    wheel.remove(1)
    wheel.remove(1)
    wheel.remove(1_000)
    #expect(wheel.delay(now: 0) == nil)
    #expect(advance(&wheel, to: 200) == [])
    wheel.set(1, deadline: 400)
    #expect(advance(&wheel, to: 400) == [1])
  }

  @Test func `Neighbours in one bucket leave it in any order`() {
    for gone in 0..<4 {
      var wheel = TimerWheel(now: 0)
      for slot in 0..<4 { wheel.set(slot, deadline: 160) }
      wheel.remove(gone)
      #expect(Set(advance(&wheel, to: 160)) == Set((0..<4).filter { $0 != gone }.map(UInt32.init)))
    }
  }

  @Test func `A deadline of several rounds waits for the last of them`() {
    var wheel = TimerWheel(now: 0)
    let deadline = 3 * Self.round + 320
    wheel.set(1, deadline: deadline)
    // The same bucket, for the first round.
    wheel.set(2, deadline: 320)
    var now: UInt64 = 0
    var fired: [UInt64: [UInt32]] = [:]
    while now < deadline + 100 {
      let expired = advance(&wheel, to: now)
      if !expired.isEmpty { fired[now] = expired }
      now += 16
    }
    #expect(fired == [320: [2], deadline: [1]])
  }

  @Test func `After a sleep of many rounds everything due fires once`() {
    var wheel = TimerWheel(now: 0)
    for slot in 0..<200 { wheel.set(slot, deadline: UInt64(slot + 1) * 1_000) }
    wheel.set(200, deadline: 20 * Self.round)
    let expired = advance(&wheel, to: 10 * Self.round)
    #expect(expired.count == 200)
    #expect(Set(expired) == Set(0..<200))
    #expect(wheel.deadline(of: 200) == 20 * Self.round)
    #expect(advance(&wheel, to: 20 * Self.round - 1) == [])
    #expect(advance(&wheel, to: 20 * Self.round) == [200])
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func `Any sequence of settings fires what a list of deadlines would`(seed: UInt64) {
    var generator = SplitMix(seed: seed)
    var now = UInt64.random(in: 0...1_000_000, using: &generator)
    var wheel = TimerWheel(now: now)
    // Slot to deadline, and to the first tick at which it can fire.
    var model: [Int: (deadline: UInt64, due: UInt64)] = [:]
    for step in 0..<4_000 {
      let slot = Int.random(in: 0..<300, using: &generator)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0...3:
        let most: UInt64 = [50, 2_000, 70_000, 400_000].randomElement(using: &generator)!
        let deadline = max(1, now + UInt64.random(in: 0...most, using: &generator) &- min(now, 20))
        wheel.set(slot, deadline: deadline)
        model[slot] = (deadline, max((deadline + Self.tick - 1) / Self.tick, now / Self.tick + 1))
      case 4:
        wheel.set(slot, deadline: 0)
        model[slot] = nil
      case 5:
        wheel.remove(slot)
        model[slot] = nil
      default:
        let most: UInt64 = [3, 40, 900, 20_000, 300_000].randomElement(using: &generator)!
        now += UInt64.random(in: 0...most, using: &generator)
        let expected = model.filter { $0.value.due <= now / Self.tick }
        let expired = advance(&wheel, to: now)
        guard expired.count == expected.count, Set(expired) == Set(expected.keys.map(UInt32.init)) else {
          Issue.record("seed \(seed), step \(step): fired \(expired.sorted()), not \(expected.keys.sorted())")
          return
        }
        for (slot, entry) in expected {
          #expect(entry.deadline <= now)
          model[slot] = nil
        }
      }
      if let next = model.values.map(\.due).min() {
        guard let delay = wheel.delay(now: now), now + delay <= max(now, next * Self.tick) else {
          Issue.record("seed \(seed), step \(step): the wheel would sleep through a deadline")
          return
        }
      }
    }
  }

  @Test func `Whoever sleeps as long as the wheel says wakes often enough and not much oftener`() {
    var wheel = TimerWheel(now: 0)
    var deadlines: [UInt32: UInt64] = [:]
    for slot in 0..<50 as Range<UInt32> {
      let deadline = UInt64(slot) * 9_973 + 5
      deadlines[slot] = deadline
      wheel.set(Int(slot), deadline: deadline)
    }
    var now: UInt64 = 0
    var wakes = 0
    while let delay = wheel.delay(now: now), wakes < 10_000 {
      now += delay + 1
      wakes += 1
      for slot in advance(&wheel, to: now) {
        let late = now - deadlines.removeValue(forKey: slot)!
        #expect(late <= Self.tick + 1)
      }
    }
    #expect(deadlines.isEmpty)
    // Each deadline, and each bucket met on an earlier round.
    #expect(wakes < 50 * 10)
  }
}
