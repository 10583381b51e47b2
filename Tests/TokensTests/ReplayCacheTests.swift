import Testing
import Tokens

struct ReplayCacheTests {
  private static func id(_ number: Int) -> [UInt8] { Array("id-\(number)".utf8) }

  @Test
  func `What was seen is refused for all of its lifetime`() {
    let cache = ReplayCache()
    for start in [1_000, 1_037, 1_099] as [Int64] {
      let id = Self.id(Int(start))
      #expect(cache.insert(id, of: [1], now: start, lifetime: 100) == .accepted)
      for now in start..<(start + 100) { #expect(cache.insert(id, of: [1], now: now, lifetime: 100) == .seen) }
    }
  }

  /// An entry is found in one of 16 parts of the cache: with so many of each kind, some share one.
  @Test
  func `What is accepted for long is not forgotten for those that are accepted for a moment`() {
    let cache = ReplayCache()
    let long = (0..<64).map { Self.id($0) }
    // In either order: the first that comes sets the time for the others.
    for id in long[..<32] { #expect(cache.insert(id, of: [1], now: 1_000, lifetime: 3_000) == .accepted) }
    var next = 1_000
    for now in stride(from: 1_001, to: 4_000, by: 10) as StrideTo<Int64> {
      for _ in 0..<64 {
        next += 1
        #expect(cache.insert(Self.id(next), of: [1], now: now, lifetime: 10) == .accepted)
      }
      if now == 1_001 { for id in long[32...] { #expect(cache.insert(id, of: [1], now: now, lifetime: 3_000) == .accepted) } }
      for id in long { #expect(cache.insert(id, of: [1], now: now, lifetime: 3_000) == .seen) }
    }
  }

  @Test
  func `What is over is forgotten`() {
    let cache = ReplayCache()
    #expect(cache.insert(Self.id(1), of: [1], now: 1_000, lifetime: 100) == .accepted)
    #expect(cache.insert(Self.id(1), of: [1], now: 1_200, lifetime: 100) == .accepted)
  }

  /// Inserts as many as are taken, of so many that are tried.
  private func fill(_ cache: ReplayCache, _ owner: [UInt8], _ tries: Int = 4_000, now: Int64 = 1_000) -> [Int] {
    (0..<tries).filter { cache.insert(Self.id($0), of: owner, now: now, lifetime: 100) == .accepted }
  }

  @Test
  func `Who has filled its share is refused, and what it has shown stays known`() {
    let cache = ReplayCache(maximum: 5_120)
    let accepted = fill(cache, [1])
    #expect(accepted.count == 128 * 16)
    for number in accepted { #expect(cache.insert(Self.id(number), of: [1], now: 1_050, lifetime: 100) == .seen) }
    #expect(cache.insert(Self.id(5_000), of: [1], now: 1_050, lifetime: 100) == .full)
    // Another may say the same, and has half of what is left.
    #expect(fill(cache, [2]).count == 64 * 16)
    // However many follow, each has a little, up to what the store holds.
    let others = (3...30 as ClosedRange<UInt8>).map { fill(cache, [$0], 200).count }
    #expect(others.allSatisfy { $0 >= 16 })
    #expect(accepted.count + 64 * 16 + others.reduce(0, +) <= 5_120)
  }

  /// Everybody who has an account gets tokens for as many keys as he makes.
  @Test
  func `Who has a million keys refuses only himself`() {
    let cache = ReplayCache(maximum: 5_120)
    var taken = 0
    for number in 0..<20_000 {
      let key = Array("key \(number)".utf8)
      if cache.insert(Self.id(number), of: key, in: [1], now: 1_000, lifetime: 100) == .accepted { taken += 1 }
    }
    // Three quarters of what is shared, which is four fifths of all.
    #expect(taken == 192 * 16)
    #expect(cache.insert(Self.id(0), of: [7], in: [1], now: 1_050, lifetime: 100) == .full)
    // Others have half of what is free, each with a key, and a few of each are always remembered.
    for subject in 2...5 as ClosedRange<UInt8> {
      let count = (0..<400).count { cache.insert(Self.id($0), of: [subject, 1], in: [subject], now: 1_000, lifetime: 100) == .accepted }
      #expect(count >= (subject == 2 ? 300 : 16))
    }
    let few = (6...60 as ClosedRange<UInt8>).map { subject in
      (0..<20).count { cache.insert(Self.id($0), of: [subject, 1], in: [subject], now: 1_000, lifetime: 100) == .accepted }
    }
    #expect(few.allSatisfy { $0 >= 8 })
    #expect(cache.insert(Self.id(20_001), of: [8], in: [1], now: 1_050, lifetime: 100) == .full)
  }

  /// One key of a subject that is too busy leaves something to the subject's others.
  @Test
  func `A subject's keys have shares within what is the subject's`() {
    let cache = ReplayCache(maximum: 5_120)
    func fill(_ key: UInt8) -> Int {
      (0..<4_000).count { cache.insert(Self.id($0), of: [key], in: [1], now: 1_000, lifetime: 100) == .accepted }
    }
    #expect((fill(1), fill(2), fill(3)) == (128 * 16, 64 * 16, 0))
  }

  @Test
  func `What is taken back of a subject's is free again`() {
    let cache = ReplayCache(maximum: 5_120)
    let accepted = (0..<20_000).filter { cache.insert(Self.id($0), of: Self.id($0), in: [1], now: 1_000, lifetime: 100) == .accepted }
    for number in accepted.prefix(100) { cache.remove(Self.id(number), of: Self.id(number), in: [1]) }
    let again = (20_000..<40_000).count { cache.insert(Self.id($0), of: Self.id($0), in: [1], now: 1_000, lifetime: 100) == .accepted }
    #expect(again == 100)
  }

  @Test
  func `Two generations later all of it is to be had again`() {
    let cache = ReplayCache(maximum: 1_600)
    #expect(fill(cache, [1]).count == 640)
    #expect(cache.insert(Self.id(9_000), of: [1], now: 1_099, lifetime: 100) == .full)
    #expect(fill(cache, [1], now: 1_200).count == 640)
  }

  @Test
  func `What is taken back is free again, and once`() {
    let cache = ReplayCache(maximum: 1_600)
    let accepted = fill(cache, [1])
    for _ in 0..<2 { for number in accepted.prefix(100) { cache.remove(Self.id(number), of: [1]) } }
    cache.remove(Self.id(accepted[200]), of: [2])
    #expect(fill(cache, [1]).count == 100)
  }

  @Test
  func `Another bound holds for what comes from then on`() {
    let cache = ReplayCache(maximum: 1_600)
    let accepted = fill(cache, [1])
    cache.resize(maximum: 160)
    for number in accepted { #expect(cache.insert(Self.id(number), of: [1], now: 1_050, lifetime: 100) == .seen) }
    #expect(cache.insert(Self.id(5_000), of: [2], now: 1_050, lifetime: 100) == .full)
    cache.resize(maximum: 16_000)
    #expect(fill(cache, [1], 40_000).count == 6_400 - 640)
    for size in [1, 0, -5, .max] {
      cache.resize(maximum: size)
      _ = cache.insert(Self.id(6_000), of: [3], now: 1_050, lifetime: 100)
    }
  }
}
