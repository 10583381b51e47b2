import Cryptography
import JSON
import Limits
import Testing

@testable import Tokens

@Suite("When an issuer is asked")
struct IntrospectionGateTests {
  private func digest(_ number: Int) -> [UInt8] { Digest.sha256(Array("\(number)".utf8)) }
  private let good = IntrospectionAnswer.active(.object([JSONMember("sub", "alice")]), askedAt: 0)
  private let bad = IntrospectionAnswer.inactive(askedAt: 0)

  @Test func `One token is one question, and the answer is kept`() {
    var gate = IntrospectionGate(.init(lifetime: 30_000, inactiveLifetime: 10_000))
    #expect(gate.question(digest(1), now: 1_000) == .ask)
    #expect(gate.question(digest(1), now: 1_001) == .wait)
    #expect(gate.answered(digest(1), good, now: 1_500) == nil)
    #expect(gate.question(digest(1), now: 30_999) == .answer(good))
    // The time counts from the question.
    #expect(gate.question(digest(1), now: 31_000) == .ask)
    #expect(gate.answered(digest(1), bad, now: 31_000) == nil)
    #expect(gate.question(digest(1), now: 40_999) == .answer(bad))
    #expect(gate.question(digest(1), now: 41_000) == .ask)
    #expect(gate.answered(digest(1), .unavailable, now: 41_000) == nil)
    #expect(gate.question(digest(1), now: 41_000) == .ask)
  }

  @Test func `So many questions at once, then a queue, then nothing`() {
    var gate = IntrospectionGate(.init(concurrency: 2, queue: 2, rate: 1000))
    #expect((1...5).map { gate.question(digest($0), now: 0) } == [.ask, .ask, .wait, .wait, .refuse])
    #expect(gate.question(digest(3), now: 0) == .wait)
    #expect(gate.answered(digest(2), bad, now: 5) == digest(3))
    #expect(gate.question(digest(5), now: 5) == .wait)
    #expect(gate.answered(digest(1), .unavailable, now: 5) == digest(4))
    #expect(gate.answered(digest(3), good, now: 6) == digest(5))
    #expect(gate.answered(digest(4), good, now: 6) == nil)
    #expect(gate.answered(digest(5), good, now: 6) == nil)
    #expect(gate.answered(digest(5), good, now: 6) == nil)
    #expect(gate.question(digest(3), now: 7) == .answer(good))
  }

  @Test func `So many questions in a time`() {
    var gate = IntrospectionGate(.init(concurrency: 64, queue: 1000, rate: 10, period: 1_000))
    func asked(_ numbers: Range<Int>, now: UInt64) -> Int {
      numbers.count { gate.question(digest($0), now: now) != .refuse }
    }
    #expect(asked(0..<100, now: 0) == 10)
    #expect(asked(100..<200, now: 99) == 0)
    #expect(asked(200..<300, now: 100) == 1)
    #expect(asked(300..<400, now: 600) == 5)
    #expect(asked(400..<500, now: 1_000_000) == 10)
    // What is known costs nothing.
    _ = gate.answered(digest(0), bad, now: 1_000_000)
    #expect(gate.question(digest(0), now: 1_000_001) == .answer(bad) || gate.question(digest(0), now: 1_000_001) == .refuse)
  }

  @Test func `Other bounds keep the answers, for as long as these say`() {
    var gate = IntrospectionGate(.init(lifetime: 30_000, inactiveLifetime: 10_000, rate: 10))
    #expect(gate.question(digest(1), now: 0) == .ask)
    _ = gate.answered(digest(1), good, now: 0)
    #expect(gate.question(digest(2), now: 0) == .ask)
    _ = gate.answered(digest(2), bad, now: 0)
    gate.adopt(.init(lifetime: 60_000, inactiveLifetime: 5_000, rate: 2, period: 60_000))
    #expect(gate.question(digest(1), now: 59_999) == .answer(good))
    #expect(gate.question(digest(2), now: 4_999) == .answer(bad))
    // A shorter time holds for what is known, and a lower rate from now on.
    #expect((2...5).map { gate.question(digest($0), now: 5_000) } == [.ask, .refuse, .refuse, .refuse])
  }

  @Test func `A flood from one client leaves questions, places in line and turns to others`() {
    var gate = IntrospectionGate(.init(concurrency: 2, queue: 4, rate: 20))
    let (flood, other) = (ClientAddress(high: 0, low: 1), ClientAddress(high: 0, low: 2))
    let answers = (1...100).map { gate.question(digest($0), for: flood, now: 0) }
    #expect(answers.prefix(6) == [.ask, .ask, .wait, .wait, .wait, .wait] && answers.dropFirst(6).allSatisfy { $0 == .refuse })
    #expect(gate.question(digest(200), for: other, now: 0) == .wait)
    // In its turn, not behind all that came before.
    #expect(gate.answered(digest(1), bad, now: 1) == digest(3))
    #expect(gate.answered(digest(2), bad, now: 1) == digest(200))
    #expect(gate.answered(digest(3), bad, now: 1) == digest(4))

    var limited = IntrospectionGate(.init(concurrency: 64, queue: 1000, rate: 10))
    #expect((1...100).count { limited.question(digest($0), for: flood, now: 0) != .refuse } == 10)
    #expect((201...203).allSatisfy { limited.question(digest($0), for: other, now: 0) == .ask })
    #expect(limited.question(digest(300), for: flood, now: 50) == .refuse)
  }

  @Test func `Who may ask more at once asks those in line first`() {
    var gate = IntrospectionGate(.init(concurrency: 1, queue: 10, rate: 1000))
    #expect((1...4).map { gate.question(digest($0), now: 0) } == [.ask, .wait, .wait, .wait])
    gate.adopt(.init(concurrency: 3, queue: 10, rate: 1000))
    #expect(gate.question(digest(5), now: 0) == .wait)
    #expect([gate.next(now: 0), gate.next(now: 0), gate.next(now: 0)] == [digest(2), digest(3), nil])
    gate.adopt(.init(concurrency: 1, queue: 10, rate: 1000))
    #expect(gate.answered(digest(1), bad, now: 1) == nil && gate.answered(digest(2), bad, now: 1) == nil)
    #expect(gate.answered(digest(3), bad, now: 1) == digest(4))
  }

  @Test func `A flood of bad tokens drives no good one out, and memory is bounded`() {
    var gate = IntrospectionGate(.init(inactiveLifetime: 60_000, rate: 1_000_000))
    #expect(gate.question(digest(0), now: 0) == .ask)
    #expect(gate.answered(digest(0), good, now: 0) == nil)
    for number in 1...20_000 {
      #expect(gate.question(digest(number), now: 1) == .ask)
      _ = gate.answered(digest(number), bad, now: 1)
    }
    #expect(gate.question(digest(0), now: 2) == .answer(good))
    #expect(gate.question(digest(20_000), now: 2) == .answer(bad))
    #expect(gate.question(digest(1), now: 2) == .ask)
  }

  @Test func `Answers keep within their bounds`() {
    var answers = IntrospectionAnswers(lifetime: 100, maximumCount: 10, maximumBytes: 1 << 20)
    for number in 0..<100 { answers.keep(bad, for: digest(number), askedAt: 0, now: 0) }
    #expect(answers.count == 10 && answers.answer(digest(99), now: 99) == bad && answers.answer(digest(89), now: 0) == nil)
    answers.keep(bad, for: digest(99), askedAt: 50, now: 50)
    answers.keep(bad, for: digest(100), askedAt: 100, now: 100)
    #expect(answers.answer(digest(99), now: 149) == bad && answers.answer(digest(99), now: 150) == nil)
    #expect(answers.count == 2)
    answers.keep(bad, for: digest(7), askedAt: 0, now: 100)
    #expect(answers.answer(digest(7), now: 100) == nil)

    var small = IntrospectionAnswers(lifetime: 100, maximumBytes: 4 << 10)
    for number in 0..<1000 { small.keep(bad, for: digest(number), askedAt: UInt64(number / 100), now: UInt64(number / 100)) }
    #expect(small.bytes <= 4 << 10 && small.count > 4)
    small.keep(.active(.string([UInt8](repeating: 1, count: 4096)), askedAt: 0), for: digest(1), askedAt: 10, now: 10)
    #expect(small.bytes <= 4 << 10 && small.answer(digest(1), now: 10) == nil)
  }
}
