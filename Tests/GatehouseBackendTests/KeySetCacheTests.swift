import Foundation
import Synchronization
import Testing

@testable import GatehouseBackend

/// Where the cache of a test fetches from: each fetch is counted, and answered when the test says so.
final class TestSource: Sendable {
  private struct State {
    var fetches = 0
    var answer: Result<FetchedKeySet, any Error>
    var isHeld = false
    var held: [CheckedContinuation<Void, Never>] = []
  }

  private let state: Mutex<State>

  init(_ content: [UInt8]) { state = Mutex(State(answer: .success(FetchedKeySet(content: content)))) }

  var fetches: Int { state.withLock { $0.fetches } }

  func answer(_ content: [UInt8], freshness: Duration? = nil) {
    state.withLock { $0.answer = .success(FetchedKeySet(content: content, freshness: freshness)) }
  }

  func fail() { state.withLock { $0.answer = .failure(URLError(.cannotConnectToHost)) } }

  func hold() { state.withLock { $0.isHeld = true } }

  func release() {
    let held = state.withLock { state in
      state.isHeld = false
      defer { state.held = [] }
      return state.held
    }
    for continuation in held { continuation.resume() }
  }

  @Sendable func fetch() async throws -> FetchedKeySet {
    state.withLock { $0.fetches += 1 }
    await withCheckedContinuation { continuation in
      let goesOn = state.withLock { state in
        if state.isHeld { state.held.append(continuation) }
        return !state.isHeld
      }
      if goesOn { continuation.resume() }
    }
    return try state.withLock { try $0.answer.get() }
  }
}

@Suite("The gateway's keys are fetched when they are needed, and kept", .timeLimit(.minutes(1)))
struct KeySetCacheTests {
  let clock = TestClock()
  let first = TestGateway(kid: "first")
  let second = TestGateway(kid: "second")
  let source: TestSource
  let events = Events()
  let cache: KeySetCache

  final class Events: Sendable {
    private let seen = Mutex<[KeySetEvent]>([])
    func append(_ event: KeySetEvent) { seen.withLock { $0.append(event) } }
    var count: Int { seen.withLock { $0.count } }
    var failures: Int { seen.withLock { $0.filter { if case .failed = $0 { true } else { false } }.count } }
  }

  init() {
    source = TestSource(TestGateway.jwks(first))
    cache = KeySetCache(
      refresh: .seconds(100), cooldown: .seconds(10), maximumAge: .seconds(1000), timeout: .seconds(5), clock: clock,
      report: { [events] in events.append($0) }, fetch: source.fetch)
  }

  /// Whether the cache gives the key of that name, and else why not.
  private func lookup(_ kid: String) async -> InternalTokenError? {
    do throws(InternalTokenError) {
      _ = try await cache.key(kid: kid, algorithm: .es256)
      return nil
    } catch {
      return error
    }
  }

  private func until(_ condition: () async -> Bool) async {
    while !(await condition()) { await Task.yield() }
  }

  @Test("once for a thousand tokens that come together")
  func singleFlight() async {
    source.hold()
    await withTaskGroup(of: InternalTokenError?.self) { group in
      for _ in 0..<1000 { group.addTask { await lookup("first") } }
      await until { source.fetches == 1 }
      for _ in 0..<100 { await Task.yield() }
      source.release()
      for await refusal in group { #expect(refusal == nil) }
    }
    #expect(source.fetches == 1)
    #expect(await cache.kids == ["first"])
  }

  @Test("again before the set ends, while it still serves")
  func refreshAhead() async {
    #expect(await lookup("first") == nil)
    clock.advance(by: .seconds(74))
    #expect(await lookup("first") == nil)
    #expect(source.fetches == 1)
    source.hold()
    clock.advance(by: .seconds(22))
    // Nobody waits for the fetch that this begins.
    for _ in 0..<10 { #expect(await lookup("first") == nil) }
    await until { source.fetches == 2 }
    source.answer(TestGateway.jwks(second))
    source.release()
    await until { await cache.kids == ["second"] }
    clock.advance(by: .seconds(10))
    #expect(await lookup("first") == .unknownKey)
    #expect(source.fetches == 3)
  }

  @Test("a key that was withdrawn is refused once the set has ended, however long nobody asked")
  func withdrawn() async {
    #expect(await lookup("first") == nil)
    source.answer(TestGateway.jwks(second))
    clock.advance(by: .seconds(100))
    #expect(await lookup("first") == .unknownKey)
    #expect(await lookup("second") == nil)
    #expect(source.fetches == 2)
  }

  @Test("out of turn for a key that is not in the set, at most once a cooldown")
  func unknownKeys() async {
    #expect(await lookup("first") == nil)
    source.answer(TestGateway.jwks(first, second))
    // The first fetch began a cooldown.
    #expect(await lookup("second") == .unknownKey)
    #expect(source.fetches == 1)
    clock.advance(by: .seconds(10))
    #expect(await lookup("second") == nil)
    #expect(source.fetches == 2)
    for round in 1...5 {
      clock.advance(by: .seconds(10))
      await withTaskGroup(of: InternalTokenError?.self) { group in
        for number in 0..<200 { group.addTask { await lookup("forged \(round) \(number)") } }
        for await refusal in group { #expect(refusal == .unknownKey) }
      }
      #expect(source.fetches <= 2 + round)
      #expect(await lookup("first") == nil)
    }
  }

  @Test("a failure leaves the last good set in force, and nobody waits for the next try")
  func lastGoodSet() async {
    #expect(await lookup("first") == nil)
    source.fail()
    clock.advance(by: .seconds(100))
    #expect(await lookup("first") == nil)
    #expect(source.fetches == 2)
    source.hold()
    clock.advance(by: .seconds(5))
    for round in 1...20 {
      clock.advance(by: .seconds(5))
      #expect(await lookup("first") == nil)
      await until { source.fetches == 2 + round }
      // The fetch hangs until its time is over.
      await until { clock.sleeperCount == 1 }
      clock.advance(by: .seconds(5))
      await until { events.failures == 1 + round }
    }
    source.answer(TestGateway.jwks(second))
    source.release()
    clock.advance(by: .seconds(5))
    #expect(await lookup("first") == nil)
    await until { await cache.kids == ["second"] }
  }

  @Test(
    "what is no key set counts as a failure",
    arguments: ["", "<html>", "{\"keys\":[]}", String(repeating: " ", count: 1 << 20 + 1)])
  func garbage(content: String) async {
    #expect(await lookup("first") == nil)
    source.answer(Array(content.utf8))
    clock.advance(by: .seconds(100))
    #expect(await lookup("first") == nil)
    #expect(events.failures == 1)
    #expect(await cache.kids == ["first"])
  }

  @Test("a set that could not be fetched anew for too long is given up")
  func maximumAge() async {
    #expect(await lookup("first") == nil)
    source.fail()
    clock.advance(by: .seconds(999))
    #expect(await lookup("first") == nil)
    clock.advance(by: .seconds(1))
    #expect(await lookup("first") == .keysUnavailable)
    source.answer(TestGateway.jwks(first))
    clock.advance(by: .seconds(10))
    #expect(await lookup("first") == nil)
  }

  @Test("before the first set, tries are a second apart, then more; nothing is believed")
  func noKeysYet() async {
    source.fail()
    #expect(await lookup("first") == .keysUnavailable)
    #expect(await lookup("first") == .keysUnavailable)
    #expect(source.fetches == 1)
    await #expect(throws: (any Error).self) { try await cache.load() }
    #expect(source.fetches == 1)
    for (pause, fetches) in [(1, 2), (1, 2), (1, 3), (4, 4), (8, 5), (10, 6), (9, 6), (1, 7)] {
      clock.advance(by: .seconds(pause))
      #expect(await lookup("first") == .keysUnavailable)
      #expect(source.fetches == fetches)
    }
    source.answer(TestGateway.jwks(first))
    clock.advance(by: .seconds(10))
    #expect(await lookup("first") == nil)
  }

  @Test("a fetch has its time, and what it brings afterwards is dropped")
  func timeout() async throws {
    source.hold()
    async let refusal = lookup("first")
    await until { source.fetches == 1 && clock.sleeperCount == 1 }
    clock.advance(by: .seconds(5))
    #expect(await refusal == .keysUnavailable)
    source.answer(TestGateway.jwks(second))
    source.release()
    clock.advance(by: .seconds(1))
    #expect(await lookup("second") == nil)
    #expect(source.fetches == 2 && events.count == 2)
    try await cache.load()
    #expect(source.fetches == 2)
    // Timers of fetches that came in time are gone.
    await until { clock.sleeperCount == 0 }
  }

  @Test("the answer may shorten its life, not below the cooldown and not beyond the bound")
  func freshness() async {
    source.answer(TestGateway.jwks(first), freshness: .zero)
    #expect(await lookup("first") == nil)
    clock.advance(by: .seconds(9))
    #expect(await lookup("first") == nil)
    #expect(source.fetches == 1)
    source.answer(TestGateway.jwks(first), freshness: .seconds(86_400))
    clock.advance(by: .seconds(1))
    #expect(await lookup("first") == nil)
    #expect(source.fetches == 2)
    clock.advance(by: .seconds(100))
    #expect(await lookup("first") == nil)
    #expect(source.fetches == 3)
  }

  @Test(
    "Cache-Control",
    arguments: [
      (nil, nil), ("", nil), ("public", nil), ("max-age=60", 60), ("public, MAX-AGE=\"60\" , must-revalidate", 60),
      ("no-cache", 0),
      ("no-store, max-age=60", 0), ("max-age=60, max-age=30", 30), ("max-age=-1", nil), ("max-age=x", nil), ("s-maxage=9", nil),
    ] as [(String?, Int?)])
  func cacheControl(field: String?, seconds: Int?) {
    #expect(FetchedKeySet(content: [], cacheControl: field).freshness == seconds.map { .seconds($0) })
  }

  @Test("a file is read again when a token names a key that is not in it")
  func file() async throws {
    let path = NSTemporaryDirectory() + "gatehouse-\(UUID().uuidString).jwks.json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let cache = KeySetCache(file: path)
    await #expect(throws: (any Error).self) { try await cache.load() }
    try Data(TestGateway.jwks(first)).write(to: URL(filePath: path))
    let other = KeySetCache(file: path)
    try await other.load()
    #expect(await other.kids == ["first"])
  }
}
