import Testing

@testable import Tokens

@Suite("Each key is published before it signs, and until its last token has expired")
struct KeyScheduleTests {
  private func key(
    _ kid: String, from: Int64?, life: Int64 = 92, leaves: Bool = true, algorithm: JOSEAlgorithm = .es256, isRetired: Bool = false
  ) -> KeySchedule.Key {
    KeySchedule.Key(kid: kid, algorithm: algorithm, signsFrom: from, tokenLife: life, leaves: leaves, isRetired: isRetired)
  }

  private func identities(_ schedule: KeySchedule) -> [KeyHistory.Identity] {
    schedule.keys.map { KeyHistory.Identity(kid: $0.kid, thumbprint: Array($0.kid.utf8)) }
  }

  @Test("a rotation at default values: next, active, retired, gone, to the second")
  func rotation() {
    // 10 minutes ahead, and 2 s for all gateways to see it; 60 s of ttl, 30 s of leeway, and the same 2 s.
    let schedule = KeySchedule(keys: [key("a", from: 0), key("b", from: 1000 + 602)], uses: [nil])
    #expect(schedule.phase(of: 1, at: 1000) == .next(from: 1602))
    #expect(schedule.phase(of: 0, at: 1601) == .active(until: 1602))
    #expect(schedule.moment(at: 1601) == .init(signers: [0], published: [0, 1]))
    #expect(schedule.moment(at: 1602) == .init(signers: [1], published: [0, 1]))
    #expect(schedule.phase(of: 0, at: 1602) == .retired(until: 1694))
    #expect(schedule.moment(at: 1693).published == [0, 1])
    #expect(schedule.moment(at: 1694) == .init(signers: [1], published: [1]))
    #expect(schedule.phase(of: 0, at: 1694) == .gone(since: 1694))
    #expect(schedule.nextChange(after: 1000) == 1602)
    #expect(schedule.nextChange(after: 1602) == 1694)
    #expect(schedule.nextChange(after: 1694) == nil)
  }

  @Test("a backend that keeps the key set for a minute never meets a token it cannot verify, at any second of any rotation")
  func cachingBackend() {
    // Every second of an hour: a key set fetched by any of the last 60 seconds verifies every token that is alive.
    let times: [Int64] = [0, 900, 2000, 2400]
    let schedule = KeySchedule(keys: times.enumerated().map { key("k\($0.offset)", from: $0.element) }, uses: [nil])
    let published = (0...3600).map { now in
      // What is not yet made is not yet published: each key is made 602 s before it signs.
      schedule.moment(at: Int64(now)).published.filter { times[$0] == 0 || Int64(now) >= times[$0] - 602 }
    }
    let signers = (0...3600).map { schedule.signer(for: nil, at: Int64($0)) ?? -1 }
    var failures: [Int] = []
    for now in 60...3600 {
      // A token made at `now` meets sets that were fetched until a minute ago; one made 60 s ago (and 30 s by a late clock) meets
      // the set of now.
      let isKnown = (0...60).allSatisfy { published[now - $0].contains(signers[now]) }
      let isStillKnown = (0...min(now, 90)).allSatisfy { published[now].contains(signers[now - $0]) }
      if !isKnown || !isStillKnown { failures.append(now) }
    }
    #expect(failures == [])
    #expect(Set(signers) == [0, 1, 2, 3])
  }

  @Test("of an explicit list the first active key signs, and nothing leaves by itself")
  func list() {
    let schedule = KeySchedule(
      keys: [
        key("old", from: 5, leaves: false, isRetired: true), key("a", from: .min, leaves: false),
        key("b", from: .min, leaves: false),
        key("c", from: nil, leaves: false), key("d", from: 100, leaves: false),
      ], uses: [nil])
    #expect(schedule.moment(at: 50) == .init(signers: [1], published: [0, 1, 2, 3, 4]))
    #expect(schedule.moment(at: 100) == .init(signers: [4], published: [0, 1, 2, 3, 4]))
    #expect(schedule.phase(of: 0, at: 50) == .retired(until: nil))
    #expect(schedule.phase(of: 1, at: 100) == .retired(until: nil))
    #expect(schedule.phase(of: 3, at: 100) == .next(from: nil))
    #expect(schedule.nextChange(after: 0) == 100 && schedule.nextChange(after: 100) == nil)
  }

  @Test("keys of two algorithms take turns apart when both are asked for")
  func algorithms() {
    let keys = [key("e1", from: 0), key("d1", from: 10, algorithm: .edDSA), key("e2", from: 500)]
    let both = KeySchedule(keys: keys, uses: [.es256, .edDSA, .es256])
    #expect(both.uses == [.es256, .edDSA])
    #expect(both.moment(at: 600) == .init(signers: [2, 1], published: [1, 2]))
    #expect(both.phase(of: 1, at: 10_000) == .active(until: nil))
    let last = KeySchedule(keys: keys, uses: [nil])
    #expect(last.signer(for: nil, at: 400) == 1 && last.signer(for: nil, at: 500) == 2)
    #expect(last.moment(at: 700).published == [2])
    // Asked for by nobody, but by nobody's turn over either.
    #expect(KeySchedule(keys: keys, uses: [.es256]).phase(of: 1, at: 10_000) == .active(until: nil))
    #expect(KeySchedule(keys: keys, uses: [.edDSA]).signer(for: .edDSA, at: 5) == nil)
  }

  @Test("a key that is overtaken before its turn never signs, and leaves")
  func overtaken() {
    let schedule = KeySchedule(keys: [key("a", from: 0), key("b", from: 100), key("c", from: 100)], uses: [nil])
    #expect(schedule.signer(for: nil, at: 100) == 1)
    #expect(schedule.phase(of: 2, at: 100) == .retired(until: 192))
    #expect(schedule.phase(of: 0, at: 100) == .retired(until: 192))
  }

  // MARK: History

  private func objections(_ history: KeyHistory, _ schedule: KeySchedule, since: [Int64?]? = nil, now: Int64) -> [KeyHistory
    .Objection]
  {
    history.objections(
      to: schedule, identities(schedule), publishAhead: 600, publishedSince: since ?? schedule.keys.map { _ in nil }, now: now)
  }

  private func list(_ keys: KeySchedule.Key...) -> KeySchedule { KeySchedule(keys: keys, uses: [nil]) }

  @Test("what comes first meets no objections")
  func first() {
    #expect(objections(KeyHistory(), list(key("a", from: 0), key("b", from: 7)), now: 5).isEmpty)
  }

  @Test("a key signs no sooner than it has been published for long enough")
  func tooSoon() {
    var history = KeyHistory()
    let one = list(key("a", from: .min))
    history.record(one, identities(one), now: 1000)
    #expect(
      objections(history, list(key("b", from: .min), key("a", from: nil)), now: 2000) == [.signsTooSoon(kid: "b", before: 2600)])
    let two = list(key("a", from: .min), key("b", from: nil))
    #expect(objections(history, two, now: 2000).isEmpty)
    history.record(two, identities(two), now: 2000)
    let turned = list(key("b", from: .min), key("a", from: nil, isRetired: true))
    #expect(objections(history, turned, now: 2599) == [.signsTooSoon(kid: "b", before: 2600)])
    #expect(objections(history, turned, now: 2600).isEmpty)
    // By the word of somebody who has published it for longer.
    #expect(objections(history, turned, since: [1500, nil], now: 2100).isEmpty)
    // A time is held to the same.
    #expect(
      objections(history, list(key("a", from: .min), key("b", from: 2599)), now: 2100) == [.signsTooSoon(kid: "b", before: 2600)])
    #expect(objections(history, list(key("a", from: .min), key("b", from: 2600)), now: 2100).isEmpty)
  }

  @Test("a key goes no sooner than its last token")
  func removed() {
    var history = KeyHistory()
    let one = list(key("a", from: .min), key("b", from: nil))
    history.record(one, identities(one), now: 0)
    // It signs until this very moment.
    #expect(objections(history, list(key("b", from: .min)), now: 1000) == [.removedTooSoon(kid: "a", until: 1092)])
    let turned = list(key("b", from: .min), key("a", from: nil, isRetired: true))
    history.record(turned, identities(turned), now: 1000)
    #expect(objections(history, list(key("b", from: .min)), now: 1091) == [.removedTooSoon(kid: "a", until: 1092)])
    #expect(objections(history, list(key("b", from: .min)), now: 1092).isEmpty)
    // One that never signed may go at any time.
    #expect(objections(history, list(key("b", from: .min), key("a", from: nil)), now: 1001).isEmpty)
  }

  @Test("a kid with another key behind it is another key")
  func reused() {
    var history = KeyHistory()
    let one = list(key("a", from: .min))
    history.record(one, [.init(kid: "a", thumbprint: [1])], now: 0)
    let found = history.objections(
      to: one, [.init(kid: "a", thumbprint: [2])], publishAhead: 600, publishedSince: [nil], now: 50)
    #expect(found == [.removedTooSoon(kid: "a", until: 142), .signsTooSoon(kid: "a", before: 650)])
  }

  @Test("a key that appears while others have known it for long waits its time here")
  func floor() {
    var history = KeyHistory()
    let new = KeyHistory.Identity(kid: "b", thumbprint: Array("b".utf8))
    #expect(history.earliestSignature(new, publishAhead: 600, now: 100) == nil)
    let one = list(key("a", from: 0))
    history.record(one, identities(one), now: 100)
    #expect(history.earliestSignature(new, publishAhead: 600, now: 200) == 800)
    let two = list(key("a", from: 0), key("b", from: 800))
    history.record(two, identities(two), now: 200)
    #expect(history.earliestSignature(new, publishAhead: 600, now: 300) == 800)
    #expect(history.earliestSignature(identities(one)[0], publishAhead: 600, now: 300) == nil)
  }
}
