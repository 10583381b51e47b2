import Limits
import Testing

struct AnswerPaceTests {
  private static let rules = TransferPace.Rules(silence: 60_000, rate: 1_000, total: 600_000)
  private static let queue: UInt64 = 65_536

  /// A client of an answer that always has a full queue: what it takes in each second, until it is given up or the time is over.
  private struct Client {
    var pace: AnswerPace
    var now: UInt64 = 1_000_000
    var taken: UInt64 = 5_000_000

    init(_ rules: TransferPace.Rules = AnswerPaceTests.rules, waiting: UInt64 = AnswerPaceTests.queue) {
      pace = AnswerPace(rules, taken: taken, waiting: waiting, now: now)
    }

    /// The verdict, and the seconds that it took.
    mutating func take(_ bytes: UInt64, for seconds: Int, waiting: UInt64 = AnswerPaceTests.queue) -> (TransferPace.Verdict, Int) {
      for second in 1...seconds {
        now += 1_000
        taken += bytes
        let verdict = pace.look(taken: taken, waiting: waiting, now: now)
        if verdict != .good { return (verdict, second) }
      }
      return (.good, seconds)
    }
  }

  private func same(
    _ outcome: (TransferPace.Verdict, Int), _ verdict: TransferPace.Verdict, _ seconds: ClosedRange<Int>? = nil,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.0 == verdict, sourceLocation: location)
    if let seconds { #expect(seconds.contains(outcome.1), "\(outcome.1)", sourceLocation: location) }
  }

  @Test func `Who takes nothing has as long as a pause may last, not less`() {
    var client = Client()
    same(client.take(0, for: 100), .silent, 60...60)
  }

  @Test func `A trickle ends when the longest pause would have`() {
    var client = Client()
    same(client.take(1, for: 100), .slow, 60...61)
    client = Client()
    same(client.take(500, for: 1_000), .slow, 119...121)
  }

  @Test func `The least rate is enough until the total`() {
    var client = Client()
    same(client.take(1_100, for: 1_000), .long, 600...601)
  }

  @Test func `Whoever takes in five seconds what waited has no total`() {
    var client = Client()
    same(client.take(Self.queue / 4, for: 100_000), .good)
    // Fast and slow by turns: what keeps up makes good what did not.
    client = Client()
    for _ in 0..<200 {
      same(client.take(2_000, for: 60), .good)
      same(client.take(Self.queue, for: 90), .good)
    }
  }

  @Test func `A pause that is shorter ends nobody, however often`() {
    var client = Client()
    for _ in 0..<100 {
      same(client.take(0, for: 55), .good)
      same(client.take(Self.queue, for: 60), .good)
    }
  }

  @Test func `Bursts between long pauses have a total`() {
    var client = Client()
    var seconds = 0
    while seconds < 2_000 {
      let pause = client.take(0, for: 58)
      seconds += pause.1
      guard pause.0 == .good else {
        #expect(pause.0 == .long && seconds < 700)
        return
      }
      same(client.take(Self.queue, for: 1), .good)
      seconds += 1
    }
    #expect(seconds < 2_000)
  }

  @Test func `What waits for the backend is nobody's delay`() {
    // A stream of events: a few bytes, taken within their second, for a day.
    var client = Client(waiting: 100)
    for _ in 0..<8_640 {
      same(client.take(100, for: 1, waiting: 0), .good)
      same(client.take(0, for: 8, waiting: 0), .good)
      same(client.take(0, for: 1, waiting: 100), .good)
    }
  }

  @Test func `It stalls now and then, and catches up`() {
    var client = Client(waiting: 0)
    for _ in 0..<1_000 {
      // Half a minute without a byte while a few wait, twice in three minutes.
      same(client.take(0, for: 30, waiting: 500), .good)
      same(client.take(500, for: 1, waiting: 0), .good)
      same(client.take(100, for: 59, waiting: 0), .good)
    }
  }

  @Test func `Time without a look is time in which nothing waited`() {
    var client = Client()
    same(client.take(Self.queue, for: 1, waiting: 0), .good)
    client.now += 10_000_000
    same(client.take(0, for: 60), .good)
    same(client.take(0, for: 1), .silent)
  }

  @Test func `An estimate that goes back is a pause`() {
    var client = Client()
    client.taken -= 1_000_000
    same(client.take(10, for: 100), .silent, 60...60)
    client = Client()
    client.taken = 0
    #expect(client.pace.look(taken: 0, waiting: .max, now: 0) == .good)
    #expect(client.pace.look(taken: .max, waiting: .max, now: .max) != .slow)
  }

  @Test func `Without rate and total there is the pause`() {
    var client = Client(TransferPace.Rules(silence: 60_000, rate: 0, total: 0))
    same(client.take(1, for: 100_000), .good)
    same(client.take(0, for: 100), .silent, 60...60)
  }

  @Test func `Strict rules are looked at more often`() {
    #expect(AnswerPace.interval(Self.rules) == 1_000)
    #expect(AnswerPace.interval(TransferPace.Rules(silence: 1_000, rate: 0, total: 0)) == 250)
    #expect(AnswerPace.interval(TransferPace.Rules(silence: 1, rate: 0, total: 0)) == 50)
  }
}
