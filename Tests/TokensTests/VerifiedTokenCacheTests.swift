import Foundation
import JSON
import Testing

@testable import Tokens

@_silgen_name("malloc_usable_size") private func mallocUsableSize(_ pointer: UnsafeMutableRawPointer) -> Int

/// Bytes that the process has in memory.
private func residentBytes() -> Int {
  let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
  return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}

@Suite("The cache finds exact bytes and stays within its bound")
struct VerifiedTokenCacheTests {
  static let key = TestIssuer().keySet.keys[0]
  static let now = TestIssuer.now

  static func entry(_ bytes: [UInt8], hash: UInt64, validUntil: Int64 = now + 300) -> VerifiedToken {
    let claims = JSONValue.object([JSONMember("sub", "a")])
    return VerifiedToken(
      bytes: bytes, hash: hash,
      principal: Principal(
        issuer: [1], subject: [2], claims: claims, scopes: [], expiresAt: validUntil, keyThumbprint: key.thumbprint),
      key: key, algorithm: .es256, provider: 0, providerFingerprint: [], validUntil: validUntil, epoch: 1)
  }

  static func bytes(_ number: Int) -> [UInt8] { Array("token-\(number)-".utf8) + [UInt8](repeating: 0x78, count: 400) }

  private func insert(_ cache: VerifiedTokenCache, _ number: Int, validUntil: Int64 = now + 300) {
    let bytes = Self.bytes(number)
    cache.insert(Self.entry(bytes, hash: cache.hash(bytes.span), validUntil: validUntil), now: Self.now)
  }

  private func contains(_ cache: VerifiedTokenCache, _ number: Int) -> Bool {
    let bytes = Self.bytes(number)
    return cache.lookup(bytes.span, hash: cache.hash(bytes.span)) != nil
  }

  @Test("a million insertions never take more than the bound, by the account and in the process")
  func bound() {
    let before = residentBytes()
    let cache = VerifiedTokenCache(capacity: 4 << 20)
    var highest = 0
    for number in 0..<1_000_000 {
      insert(cache, number)
      highest = max(highest, cache.bytes)
    }
    #expect(highest <= 4 << 20)
    #expect(cache.bytes > 3 << 20, "the memory is used")
    #expect(cache.evictions >= 999_900 - UInt64(cache.count), "hardly any finds its run too long")
    // Other tests run beside this one, some with large lists: room for them, but far below the GiB that a million tokens would take.
    #expect(residentBytes() < before + 256 << 20)
    #expect(contains(cache, 999_999) && !contains(cache, 0))
  }

  @Test("the account agrees with malloc")
  func account() {
    let hash = TokenHash()
    let made = (0..<2000).map { number in
      let bytes = Self.bytes(number)
      return Self.entry(bytes, hash: hash.hash(bytes.span))
    }
    // The least, because malloc gives a little more when nothing smaller is free.
    let real = made.map { mallocUsableSize(Unmanaged.passUnretained($0).toOpaque()) + 8 }.min()
    #expect(real == Footprint.malloc(VerifiedToken.instanceSize))
    #expect(made[0].footprint > 400 + 200)
  }

  @Test("what is used stays when tokens seen once flood the cache")
  func scanResistance() {
    let cache = VerifiedTokenCache(capacity: 1 << 20)
    for number in 0..<100 { insert(cache, number) }
    for number in 1000..<20_000 {
      insert(cache, number)
      if number % 100 == 0 { for hot in 0..<100 { _ = contains(cache, hot) } }
    }
    #expect((0..<100).allSatisfy { contains(cache, $0) })
  }

  @Test("equal hashes with different bytes are different tokens")
  func collision() {
    let cache = VerifiedTokenCache(capacity: 1 << 20)
    let entries = (0..<40).map { Self.entry(Self.bytes($0), hash: 0x1234) }
    for entry in entries { cache.insert(entry, now: Self.now) }
    // 32 places are looked at; the rest is not kept, and never confused.
    #expect(cache.count == 32)
    for (number, entry) in entries.enumerated() {
      let found = lookup(cache, number)
      #expect(number < 32 ? found === entry : found == nil)
    }
    cache.remove(entries[3])
    #expect(cache.count == 31)
    for number in 0..<32 where number != 3 {
      #expect(lookup(cache, number) === entries[number])
    }
    #expect(lookup(cache, 3) == nil)
  }

  private func lookup(_ cache: VerifiedTokenCache, _ number: Int) -> VerifiedToken? {
    cache.lookup(Self.bytes(number).span, hash: 0x1234)
  }

  @Test("the table finds what a plain dictionary finds, through insertions and removals in any order")
  func model() {
    let cache = VerifiedTokenCache(capacity: 8 << 20)
    var model: [Int: VerifiedToken] = [:]
    var random = SystemRandomNumberGenerator()
    for step in 0..<20_000 {
      let number = Int(random.next(upperBound: 800 as UInt64))
      let bytes = Self.bytes(number)
      // A poor hash makes long runs, some around the table's end.
      let hash = UInt64(truncatingIfNeeded: number / 8) &* 3 &- 60
      if step % 3 == 0, let held = model.removeValue(forKey: number) {
        cache.remove(held)
      } else if model[number] == nil {
        let entry = Self.entry(bytes, hash: hash)
        cache.insert(entry, now: Self.now)
        if entry.isCached { model[number] = entry }
      }
      let found = cache.lookup(bytes.span, hash: hash)
      #expect(found === model[number])
    }
    #expect(cache.count == model.count)
  }

  @Test("expired entries leave before others")
  func expired() {
    let cache = VerifiedTokenCache(capacity: 64 << 10)
    for number in 0..<10 { insert(cache, number, validUntil: Self.now) }
    for number in 0..<10 { _ = contains(cache, number) }
    for number in 100..<110 { insert(cache, number) }
    for number in 100..<110 { _ = contains(cache, number) }
    while cache.evictions < 10 { insert(cache, 1000 + cache.count + Int(cache.evictions)) }
    #expect((100..<110).allSatisfy { contains(cache, $0) })
  }

  @Test("an entry heavier than a quarter of the cache is not kept")
  func heavy() {
    let cache = VerifiedTokenCache(capacity: 64 << 10)
    cache.insert(Self.entry([UInt8](repeating: 1, count: 17 << 10), hash: 1), now: Self.now)
    #expect(cache.count == 0)
  }

  @Test("the hash depends on its secrets, on every byte and on the length")
  func seeded() {
    func hash(_ bytes: [UInt8], _ hasher: TokenHash) -> UInt64 { hasher.hash(bytes.span) }
    let one = TokenHash()
    let other = TokenHash()
    let bytes = Self.bytes(1)
    #expect(hash(bytes, one) != hash(bytes, other))
    #expect(hash(bytes, one) == hash(bytes, one))
    var seen: Set<UInt64> = []
    for count in 0..<64 { seen.insert(hash([UInt8](repeating: 0, count: count), one)) }
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << UInt8(bit)
        seen.insert(hash(changed, one))
      }
    }
    #expect(seen.count == 64 + bytes.count * 8)
    // The table's index is the low bits: 4,096 tokens that differ in a counter spread over 4,096 places as chance would have it.
    var places: Set<UInt64> = []
    for number in 0..<4096 { places.insert(hash(Self.bytes(number), one) & 4095) }
    #expect((2400...2800).contains(places.count))
  }
}
