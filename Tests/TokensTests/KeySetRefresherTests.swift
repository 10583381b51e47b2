import Testing

@testable import Tokens

@Suite("A key set is fetched in time, and never more often than once a cooldown")
struct KeySetRefresherTests {
  private let bounds = KeySetRefresher.Bounds(refresh: 600_000, cooldown: 30_000, maximumAge: 3_600_000)

  /// A refresher that has its first set since `at`.
  private func ready(at: UInt64 = 1_000, freshness: UInt64? = nil) -> KeySetRefresher {
    var refresher = KeySetRefresher(bounds)
    #expect(refresher.tick(now: at) == .fetch)
    refresher.succeeded(now: at, freshness: freshness, isChanged: true, random: 0)
    return refresher
  }

  @Test func `The first fetch is due at once, and only one is under way`() {
    var refresher = KeySetRefresher(bounds)
    #expect(refresher.wakeAt == 0)
    #expect(refresher.tick(now: 5) == .fetch)
    #expect(refresher.tick(now: 900_000) == .nothing)
    #expect(refresher.wakeAt == .max)
  }

  @Test func `The next is due between 80 and 95 percent of the time`() {
    #expect(ready().wakeAt == 1_000 + 480_000)
    var late = KeySetRefresher(bounds)
    _ = late.tick(now: 0)
    late.succeeded(now: 0, freshness: nil, isChanged: true, random: 15)
    #expect(late.wakeAt == 570_000)
  }

  @Test(arguments: [(nil as UInt64?, 480_000 as UInt64), (60_000, 48_000), (0, 30_000), (1, 30_000), (86_400_000, 480_000)])
  func `A response shortens it within the bounds`(freshness: UInt64?, expected: UInt64) {
    #expect(ready(at: 0, freshness: freshness).wakeAt == expected)
  }

  @Test func `After failures the pauses grow, and the set stays`() {
    var refresher = ready(at: 0)
    var now: UInt64 = 480_000
    var pauses: [UInt64] = []
    for _ in 0..<6 {
      #expect(refresher.tick(now: now) == .fetch)
      refresher.failed(now: now, random: 0)
      #expect(refresher.hasKeys)
      pauses.append(refresher.wakeAt - now)
      now = refresher.wakeAt
    }
    #expect(pauses == [30_000, 60_000, 120_000, 240_000, 480_000, 600_000])
  }

  @Test func `A set that is too old is dropped, and fetched for on`() {
    var refresher = ready(at: 0)
    var now: UInt64 = 0
    var action = KeySetRefresher.Action.nothing
    while action != .drop {
      now = refresher.wakeAt
      action = refresher.tick(now: now)
      if action == .fetch { refresher.failed(now: now, random: 0) }
    }
    #expect(now == 3_600_000)
    #expect(!refresher.hasKeys)
    #expect(refresher.wakeAt < now + 600_001)
  }

  @Test func `A provider that never answered is asked sooner, up to a cooldown`() {
    var refresher = KeySetRefresher(bounds)
    var now: UInt64 = 0
    var pauses: [UInt64] = []
    for _ in 0..<7 {
      #expect(refresher.tick(now: now) == .fetch)
      refresher.failed(now: now, random: 0)
      pauses.append(refresher.wakeAt - now)
      now = refresher.wakeAt
    }
    #expect(pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  }

  @Test func `An unknown key is fetched for once the cooldown is over, and others wait for the same fetch`() {
    var refresher = ready(at: 0)
    #expect(refresher.unknownKey(1, now: 29_999) == .refuse)
    #expect(refresher.unknownKey(1, now: 30_000) == .fetch)
    #expect(refresher.unknownKey(2, now: 30_001) == .wait)
    #expect(refresher.unknownKey(1, now: 30_002) == .wait)
    refresher.succeeded(now: 30_100, freshness: nil, isChanged: false, random: 0)
    #expect(refresher.unknownKey(3, now: 30_200) == .refuse)
  }

  @Test func `A key that fetches do not bring is fetched for again after two cooldowns, then four, eight, ten`() {
    var refresher = ready(at: 0)
    var now: UInt64 = 30_000
    for pause: UInt64 in [2, 4, 8, 10, 10] {
      #expect(refresher.unknownKey(1, now: now) == .fetch)
      refresher.succeeded(now: now, freshness: nil, isChanged: false, random: 0)
      #expect(refresher.unknownKey(1, now: now + pause * 30_000 - 1) == .refuse)
      now += pause * 30_000
    }
    // A changed set may have it, and what was missed before is forgotten.
    #expect(refresher.unknownKey(2, now: now) == .fetch)
    refresher.succeeded(now: now, freshness: nil, isChanged: true, random: 0)
    #expect(refresher.unknownKey(1, now: now + 30_000) == .fetch)
  }

  @Test func `Inherited keys are in force until the new place has answered, and no longer than they may be old`() {
    var refresher = KeySetRefresher(bounds, inheriting: 1_000_000, now: 2_000_000)
    #expect(refresher.hasKeys)
    #expect(refresher.tick(now: 2_000_000) == .fetch)
    refresher.failed(now: 2_000_100, random: 0)
    #expect(refresher.hasKeys)
    var now: UInt64 = 2_000_100
    var action = KeySetRefresher.Action.nothing
    while action != .drop {
      now = refresher.wakeAt
      action = refresher.tick(now: now)
      if action == .fetch { refresher.failed(now: now, random: 0) }
    }
    #expect(now == 1_000_000 + 3_600_000)
  }

  @Test func `Other bounds hold at once and take no keys away that can be fetched anew`() {
    var refresher = ready(at: 0)
    refresher.adopt(.init(refresh: 60_000, cooldown: 1_000, maximumAge: 60_000), now: 100_000)
    #expect(refresher.hasKeys)
    // Too old by these, so it is fetched at once, and given up only if that fails.
    #expect(refresher.tick(now: 101_000) == .fetch)
    refresher.succeeded(now: 101_000, freshness: nil, isChanged: false, random: 0)
    #expect(refresher.wakeAt == 101_000 + 48_000)

    var failing = ready(at: 0)
    failing.adopt(.init(refresh: 60_000, cooldown: 1_000, maximumAge: 60_000), now: 100_000)
    #expect(failing.tick(now: 101_000) == .fetch)
    failing.failed(now: 101_000, random: 0)
    #expect(failing.tick(now: 129_999) == .fetch)
    #expect(failing.tick(now: 130_000) == .drop)

    var longer = ready(at: 0)
    longer.adopt(.init(refresh: 86_400_000, cooldown: 3_600_000, maximumAge: 86_400_000), now: 1_000)
    #expect(longer.wakeAt == 480_000)
  }

  @Test func `A key that a fetch did not bring is not fetched for again for a while`() {
    var refresher = ready(at: 0)
    #expect(refresher.unknownKey(1, now: 30_000) == .fetch)
    refresher.succeeded(now: 30_100, freshness: nil, isChanged: false, random: 0)
    #expect(refresher.unknownKey(1, now: 70_000) == .refuse)
    #expect(refresher.unknownKey(2, now: 70_000) == .fetch)
    refresher.failed(now: 70_100, random: 0)
    #expect(refresher.unknownKey(1, now: 330_101) == .fetch)
  }

  @Test func `A million made-up keys take bounded memory and one fetch a cooldown`() {
    var refresher = ready(at: 0)
    var fetches = 0
    for index in 0..<1_000_000 as Range<UInt64> {
      let now = 30_000 + index
      if refresher.unknownKey(index, now: now) == .fetch {
        fetches += 1
        refresher.succeeded(now: now, freshness: 86_400_000, isChanged: false, random: 0)
      }
    }
    #expect(fetches == 34)
  }
}
