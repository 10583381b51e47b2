import Testing
import Tokens

struct ReplayCacheTests {
  private static func id(_ number: Int) -> [UInt8] { Array("id-\(number)".utf8) }

  @Test
  func `What was seen is refused for all of its lifetime`() {
    let cache = ReplayCache()
    for start in [1_000, 1_037, 1_099] as [Int64] {
      let id = Self.id(Int(start))
      #expect(cache.insert(id, now: start, lifetime: 100))
      for now in start..<(start + 100) { #expect(!cache.insert(id, now: now, lifetime: 100)) }
    }
  }

  /// An entry is found in one of 16 parts of the cache: with so many of each kind, some share one.
  @Test
  func `What is accepted for long is not forgotten for those that are accepted for a moment`() {
    let cache = ReplayCache()
    let long = (0..<64).map { Self.id($0) }
    // In either order: the first that comes sets the time for the others.
    for id in long[..<32] { #expect(cache.insert(id, now: 1_000, lifetime: 3_000)) }
    var next = 1_000
    for now in stride(from: 1_001, to: 4_000, by: 10) as StrideTo<Int64> {
      for _ in 0..<64 {
        next += 1
        #expect(cache.insert(Self.id(next), now: now, lifetime: 10))
      }
      if now == 1_001 { for id in long[32...] { #expect(cache.insert(id, now: now, lifetime: 3_000)) } }
      for id in long { #expect(!cache.insert(id, now: now, lifetime: 3_000)) }
    }
  }

  @Test
  func `What is over is forgotten`() {
    let cache = ReplayCache()
    #expect(cache.insert(Self.id(1), now: 1_000, lifetime: 100))
    #expect(cache.insert(Self.id(1), now: 1_200, lifetime: 100))
  }

  @Test
  func `When there is no room to remember, nothing is accepted`() {
    let cache = ReplayCache(maximum: 16)
    let accepted = (0..<1_000).filter { cache.insert(Self.id($0), now: 1_000, lifetime: 100) }
    #expect(accepted.count == 16)
    for number in accepted { #expect(!cache.insert(Self.id(number), now: 1_050, lifetime: 100)) }
  }
}
