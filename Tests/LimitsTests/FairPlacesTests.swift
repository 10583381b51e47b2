import Testing

@testable import Limits

@Suite("Whoever takes what there is leaves a share to others")
struct FairPlacesTests {
  /// Takes as many as there are to be had.
  private func fill(_ shares: inout FairPlaces<Int>, _ holder: Int) -> Int {
    var count = 0
    while shares.grants(to: holder) {
      shares.take(for: holder)
      count += 1
    }
    return count
  }

  @Test(arguments: [1, 2, 3, 256, 1000])
  func `One alone has what one is to have, and as many stay free`(single: Int) {
    var shares = FairPlaces<Int>(single: single)
    #expect(fill(&shares, 1) == single && shares.taken == single && shares.places == single * 2)
  }

  @Test func `Whoever takes what there is leaves half of it to those who come next, and something to very many`() {
    var shares = FairPlaces<Int>(single: 256)
    #expect((1...8).map { fill(&shares, $0) } == [256, 128, 64, 32, 16, 8, 4, 4])
    #expect((9...40).map { fill(&shares, $0) } == Array(repeating: 4, count: 32))
    #expect(shares.taken == shares.places + shares.reserve && fill(&shares, 41) == 0)
    shares.give(from: 1)
    #expect(fill(&shares, 1) == 0 && fill(&shares, 41) == 1)
  }

  @Test(arguments: [0, 1, 4, 5, 1000, 1 << 20])
  func `Shares of so many places are never more than those`(all: Int) {
    var shares = FairPlaces<Int>(of: all)
    for holder in 0..<64 { _ = fill(&shares, holder) }
    #expect(shares.taken <= max(all, 2) && shares.places + shares.reserve <= max(all, 2))
  }

  @Test func `Where places are given back, those who want all come to have equal parts, and as much stays free`() {
    var shares = FairPlaces<Int>(single: 300)
    for holder in 1...5 { _ = fill(&shares, holder) }
    for turn in 0..<10_000 {
      shares.give(from: turn % 5 + 1)
      for holder in 1...5 { _ = fill(&shares, holder) }
    }
    #expect((1...5).allSatisfy { abs(shares.held(by: $0) - 100) <= 5 }, "\((1...5).map { shares.held(by: $0) })")
    #expect(fill(&shares, 6) >= 45)
  }

  @Test func `Those who take in turn have the same`() {
    var shares = FairPlaces<Int>(single: 300)
    var counts = [0, 0, 0, 0, 0]
    for _ in 0..<600 {
      for holder in 0..<5 where shares.grants(to: holder) {
        shares.take(for: holder)
        counts[holder] += 1
      }
    }
    #expect(counts.allSatisfy { abs($0 - 100) <= 1 })
  }

  @Test func `What is given back is free for all, and no more is given back than was taken`() {
    var shares = FairPlaces<Int>(single: 4)
    #expect(fill(&shares, 1) == 4)
    shares.give(3, from: 1)
    #expect(shares.taken == 1 && shares.held(by: 1) == 1 && fill(&shares, 2) == 3)
    shares.give(100, from: 1)
    shares.give(from: 3)
    #expect(shares.taken == 3 && shares.held(by: 1) == 0)
  }

  @Test func `Several at once are granted whole or not at all`() {
    let shares = FairPlaces<Int>(single: 4)
    #expect(shares.grants(4, to: 1) && !shares.grants(5, to: 1) && !shares.grants(.max, to: 1))
  }

  @Test func `What is taken in one room takes nothing away in another, and an empty room is forgotten`() {
    var rooms = FairRooms<String, Int>(single: 4)
    func fill(_ room: String, _ holder: Int) -> Int { (0..<100).count { _ in rooms.take(in: room, for: holder) } }
    #expect(fill("a", 1) == 4 && fill("a", 2) == 2 && fill("a", 3) == 1)
    #expect(fill("b", 1) == 4 && fill("b", 4) == 2)
    #expect(rooms.taken(in: "a") == 7 && rooms.taken(in: "b") == 6)
    for _ in 0..<4 { rooms.give(in: "a", from: 1) }
    for _ in 0..<5 { rooms.give(in: "a", from: 2) }
    rooms.give(in: "c", from: 1)
    #expect(rooms.taken(in: "a") == 1 && fill("a", 4) == 3 && rooms.count == 2)
    for holder in [3, 4, 4, 4] { rooms.give(in: "a", from: holder) }
    #expect(rooms.taken(in: "a") == 0 && rooms.count == 1 && fill("b", 1) == 0)
  }

  @Test func `What ends is free again, and not before`() {
    var shares = ExpiringPlaces<String>(single: 10)
    func take(_ count: Int, _ holder: String, until end: Int64, at now: Int64) -> Bool {
      shares.take(count, for: holder, until: end, now: now)
    }
    #expect(take(6, "a", until: 1_000, at: 500) && take(4, "a", until: 5_000, at: 500))
    #expect(!take(1, "a", until: 5_000, at: 999))
    #expect(take(3, "b", until: 2_000, at: 1_000))
    #expect(take(1, "a", until: 5_000, at: 1_060) && shares.taken == 8)
    #expect(take(1, "b", until: .max, at: 1_000_000) && shares.taken == 1)
  }

  @Test func `A million entries take bounded memory`() {
    var shares = ExpiringPlaces<Int>(single: 1_000)
    for number in 0..<1_000_000 { _ = shares.take(1, for: number % 7, until: Int64(number) + 600, now: Int64(number)) }
    #expect(shares.taken <= 2_000)
  }
}

@Suite("A rate that many use, and a line in which many stand")
struct FairRateTests {
  private func spend(_ rate: inout FairRate<Int>, _ holder: Int, _ tries: Int, now: UInt64) -> Int {
    (0..<tries).count { _ in rate.spend(by: holder, now: now) }
  }

  @Test func `One alone has the whole rate, and bursts of as many`() {
    var rate = FairRate<Int>(count: 10, period: 1_000)
    #expect(spend(&rate, 1, 100, now: 0) == 10)
    #expect(spend(&rate, 1, 100, now: 99) == 0 && spend(&rate, 1, 100, now: 100) == 1)
    var count = 0
    for now in 101...10_100 as ClosedRange<UInt64> { count += spend(&rate, 1, 3, now: now) }
    #expect(count == 100)
    #expect(spend(&rate, 1, 100, now: 1_000_000) == 10)
  }

  @Test(arguments: [1, 3, 10, 30])
  func `However many want all of it, whoever comes seldom gets its own`(hogs: Int) {
    var rate = FairRate<Int>(count: 100, period: 1_000)
    var (taken, got, tried) = (0, 0, 0)
    for now in 0..<20_000 as Range<UInt64> {
      for hog in 1...hogs { taken += spend(&rate, hog, 2, now: now) }
      if now % 500 == 499 {
        tried += 1
        got += spend(&rate, 1_000 + Int(now), 1, now: now)
      }
    }
    #expect(got == tried, "\(got) of \(tried)")
    // And all together no more than the rate, with a burst of twice as many.
    #expect(taken + got <= 20 * 100 + 200 && taken + got >= 19 * 100)
  }

  @Test func `Another rate counts what was spent as much`() {
    var rate = FairRate<Int>(count: 100, period: 1_000)
    #expect(spend(&rate, 1, 50, now: 0) == 50)
    rate.adopt(count: 10, period: 60_000)
    #expect(spend(&rate, 1, 100, now: 0) == 5)
    rate.adopt(count: 1_000, period: 1_000)
    #expect(spend(&rate, 1, 10_000, now: 1_000) == 1_000)
  }

  @Test func `A million clients take bounded memory`() {
    var rate = FairRate<Int>(count: 10, period: 1_000)
    for number in 0..<1_000_000 { _ = rate.spend(by: number, now: UInt64(number)) }
    #expect(rate.holders <= rate.maximumHolders)
  }

  @Test func `A line is served in turn`() {
    var queue = FairQueue<Int, String>(single: 4)
    func append(_ element: String, _ holder: Int) -> Bool { queue.append(element, for: holder) }
    for number in 0..<10 { #expect(append("a\(number)", 1) == (number < 4)) }
    #expect(append("b0", 2) && append("c0", 3) && queue.count == 6)
    #expect((0..<7).map { _ in queue.next() } == ["a0", "b0", "c0", "a1", "a2", "a3", nil])
    #expect(queue.isEmpty && queue.count == 0)
  }
}
