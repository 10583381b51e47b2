import Limits
import Testing

struct TransferPaceTests {
  private static let rules = TransferPace.Rules(silence: 60_000, rate: 1_000, total: 600_000)

  /// A pace that waits from second 1,000 on, and the time.
  private func begun(_ rules: TransferPace.Rules = rules) -> (TransferPace, UInt64) {
    var pace = TransferPace(rules)
    pace.wait(now: 1_000_000)
    return (pace, 1_000_000)
  }

  private func same(_ verdict: TransferPace.Verdict, _ expected: TransferPace.Verdict, _ location: SourceLocation = #_sourceLocation) {
    #expect(verdict == expected, sourceLocation: location)
  }

  @Test func `Who sends nothing has a few seconds`() {
    var (pace, now) = begun()
    #expect(pace.deadline == now + TransferPace.grace)
    now += TransferPace.grace - 1
    same(pace.verdict(now: now), .good)
    same(pace.verdict(now: now + 1), .slow)
  }

  @Test func `Whoever keeps to the least rate goes on until the total`() {
    var (pace, now) = begun()
    for _ in 0..<599 {
      now += 1_000
      pace.moved(1_000, now: now)
      same(pace.verdict(now: now), .good)
    }
    now += 1_000
    pace.moved(1_000, now: now)
    same(pace.verdict(now: now), .long)
  }

  @Test func `One byte now and then is too slow`() {
    var (pace, now) = begun()
    for _ in 0..<4 {
      now += 1_000
      pace.moved(1, now: now)
      same(pace.verdict(now: now), .good)
    }
    // Four bytes have earned four milliseconds.
    #expect(pace.deadline == 1_000_000 + TransferPace.grace + 4)
    same(pace.verdict(now: 1_000_000 + TransferPace.grace + 4), .slow)
  }

  @Test func `A burst pays for a silence as long as one may be, not for more`() {
    var (pace, now) = begun()
    pace.moved(100_000_000, now: now)
    same(pace.verdict(now: now + 59_999), .good)
    pace.moved(1, now: now + 59_999)
    now += 60_000
    same(pace.verdict(now: now), .good)
    same(pace.verdict(now: now + 1), .slow)
  }

  @Test func `Silence is bounded by itself`() {
    var (pace, now) = begun(TransferPace.Rules(silence: 2_000, rate: 1, total: 0))
    #expect(pace.deadline == now + 2_000)
    same(pace.verdict(now: now + 1_999), .good)
    same(pace.verdict(now: now + 2_000), .silent)
    pace.moved(1, now: now + 2_000)
    same(pace.verdict(now: now + 3_999), .good)
    now += 4_000
    same(pace.verdict(now: now), .silent)
  }

  @Test func `Time in which nobody waits does not count`() {
    var (pace, now) = begun()
    now += 4_000
    pace.pause(now: now)
    #expect(pace.deadline == nil)
    now += 3_600_000
    same(pace.verdict(now: now), .good)
    pace.pause(now: now)
    pace.wait(now: now)
    #expect(pace.deadline == now + TransferPace.grace - 4_000)
    pace.wait(now: now + 500)
    same(pace.verdict(now: now + 999), .good)
    same(pace.verdict(now: now + 1_000), .slow)
  }

  @Test func `Without rules there is no end`() {
    var (pace, now) = begun(.none)
    #expect(pace.deadline == nil)
    now += 1 << 40
    same(pace.verdict(now: now), .good)
    var (total, _) = begun(TransferPace.Rules(silence: 0, rate: 0, total: 100))
    same(total.verdict(now: 1_000_099), .good)
    same(total.verdict(now: 1_000_100), .long)
  }

  @Test func `Nothing traps: rates, times and amounts as large as they can be, and a clock that stands or goes back`() {
    let times: [UInt64] = [0, 1, 1_000, 1 << 40, .max]
    for rate: UInt64 in [0, 1, 1 << 40, .max] {
      for silence: UInt64 in [0, 1, .max] {
        var pace = TransferPace(TransferPace.Rules(silence: silence, rate: rate, total: silence))
        for first in times {
          for second in times {
            pace.wait(now: first)
            pace.moved(.max, now: second)
            _ = pace.verdict(now: first)
            _ = pace.deadline
            pace.pause(now: second)
          }
        }
      }
    }
  }
}
