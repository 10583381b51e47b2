import Testing

@testable import Redis

struct FeedMachineTests {
  private var machine = FeedMachine(readInterval: 5_000, random: SplitMix(seed: 7))

  /// Brings the machine to where everything is known good, at `time`.
  private mutating func settle(_ time: UInt64) {
    _ = machine.handle(.start, now: time)
    _ = machine.handle(.subscribed, now: time)
    _ = machine.handle(.readerReady, now: time)
    _ = machine.handle(.readEnded, now: time)
  }

  @Test mutating func `The subscription comes first, the read second, alive last`() {
    #expect(machine.handle(.start, now: 0) == [.connectSubscriber])
    #expect(machine.handle(.subscribed, now: 5) == [.connectReader])
    #expect(machine.handle(.readerReady, now: 9) == [.read])
    #expect(machine.handle(.progressed, now: 10) == [])
    #expect(machine.handle(.readEnded, now: 12) == [.reportAlive])
    // The probe, then the next read.
    #expect(machine.wakeAt == 1_005)
    #expect(machine.handle(.woke, now: 1_005) == [.probe])
    #expect(machine.handle(.subscribed, now: 1_006) == [.reportAlive])
    #expect(machine.wakeAt == 2_006)
    #expect(machine.handle(.woke, now: 5_012) == [.probe, .read])
  }

  @Test mutating func `Nothing happens before start and after stop`() {
    for event: FeedMachine.Event in [.stop, .subscribed, .readerReady, .progressed, .readEnded, .failed("x"), .woke] {
      #expect(machine.handle(event, now: 1) == [])
    }
    #expect(machine.wakeAt == FeedMachine.never)
    settle(10)
    #expect(machine.handle(.stop, now: 20) == [.close])
    #expect(machine.wakeAt == FeedMachine.never)
    #expect(machine.handle(.failed("late"), now: 21) == [])
    #expect(machine.handle(.start, now: 30) == [.connectSubscriber])
  }

  @Test mutating func `A server that does not answer counts as down at every stage`() {
    _ = machine.handle(.start, now: 0)
    #expect(machine.wakeAt == 2_000)
    #expect(machine.handle(.woke, now: 1_999) == [])
    #expect(machine.handle(.woke, now: 2_000) == [.close, .reportDown("no connection within 2000 ms")])

    _ = machine.handle(.woke, now: 60_000)
    _ = machine.handle(.subscribed, now: 60_000)
    #expect(machine.handle(.woke, now: 61_000) == [.probe])
    #expect(machine.handle(.woke, now: 62_000) == [.close, .reportDown("no connection within 2000 ms")])

    _ = machine.handle(.woke, now: 70_000)
    _ = machine.handle(.subscribed, now: 70_000)
    _ = machine.handle(.readerReady, now: 70_500)
    _ = machine.handle(.woke, now: 71_000)
    _ = machine.handle(.subscribed, now: 71_001)
    _ = machine.handle(.woke, now: 72_001)
    _ = machine.handle(.subscribed, now: 72_002)
    #expect(machine.handle(.woke, now: 72_500) == [.close, .reportDown("the read did not answer within 2000 ms")])
  }

  @Test mutating func `A subscription that does not answer the probe counts as down`() {
    settle(0)
    #expect(machine.handle(.woke, now: 1_000) == [.probe])
    #expect(machine.wakeAt == 3_000)
    #expect(machine.handle(.woke, now: 3_000) == [.close, .reportDown("the subscription did not answer within 2000 ms")])
  }

  @Test mutating func `A read may last while its bytes come, but not for ever`() {
    settle(0)
    var now: UInt64 = 5_000
    #expect(machine.handle(.woke, now: now).contains(.read))
    while now < 34_000 {
      now += 1_000
      #expect(machine.handle(.progressed, now: now) == [])
      _ = machine.handle(.subscribed, now: now)
      #expect(!machine.handle(.woke, now: now).contains(.close))
    }
    #expect(machine.handle(.woke, now: 35_000) == [.close, .reportDown("the read took more than 30000 ms")])
  }

  @Test mutating func `A snapshot that is refused ends alive until one is taken`() {
    settle(0)
    _ = machine.handle(.woke, now: 5_000)
    #expect(machine.handle(.readRefused, now: 5_001) == [])
    #expect(machine.handle(.subscribed, now: 5_002) == [])
    #expect(machine.handle(.woke, now: 10_001) == [.probe, .read])
    #expect(machine.handle(.readEnded, now: 10_002) == [.reportAlive])
  }

  @Test mutating func `One failure is reported once and ends both connections`() {
    settle(0)
    #expect(machine.handle(.failed("one"), now: 10) == [.close, .reportDown("one")])
    #expect(machine.handle(.failed("two"), now: 10) == [])
    // What was on its way when the connection was closed.
    for event: FeedMachine.Event in [.subscribed, .readerReady, .progressed, .readEnded, .readRefused, .start] {
      #expect(machine.handle(event, now: 11) == [])
    }
    #expect((110...210).contains(machine.wakeAt))
    #expect(machine.handle(.woke, now: machine.wakeAt) == [.connectSubscriber])
  }

  @Test mutating func `Attempts space out to five seconds and start anew after a probe was answered`() {
    var now: UInt64 = 0
    var longest: UInt64 = 0
    _ = machine.handle(.start, now: now)
    for _ in 0..<40 {
      _ = machine.handle(.failed("refused"), now: now)
      let delay = machine.wakeAt - now
      #expect((100...5_000).contains(delay))
      longest = max(longest, delay)
      now += delay
      #expect(machine.handle(.woke, now: now) == [.connectSubscriber])
    }
    #expect(longest > 4_000)
    _ = machine.handle(.subscribed, now: now)
    _ = machine.handle(.readerReady, now: now)
    _ = machine.handle(.readEnded, now: now)
    _ = machine.handle(.woke, now: now + 1_000)
    _ = machine.handle(.subscribed, now: now + 1_001)
    _ = machine.handle(.failed("gone"), now: now + 1_002)
    #expect(machine.wakeAt - (now + 1_002) <= 200)
  }

  @Test func `Whatever comes, a machine that runs has a time to wake at`() {
    for seed: UInt64 in 0..<200 {
      var random = SplitMix(seed: seed)
      var machine = FeedMachine(readInterval: 700, random: SplitMix(seed: seed))
      var now: UInt64 = 1
      var open = 0
      _ = machine.handle(.start, now: now)
      open += 1
      for _ in 0..<300 {
        now += UInt64.random(in: 0...900, using: &random)
        let events: [FeedMachine.Event] = [
          .subscribed, .readerReady, .progressed, .readEnded, .readRefused, .failed("x"), .woke, .woke,
        ]
        for action in machine.handle(events.randomElement(using: &random)!, now: now) {
          switch action {
          case .connectSubscriber, .connectReader: open += 1
          case .close: open = 0
          case .probe, .read: #expect(open > 0)
          case .reportAlive: #expect(open == 2)
          case .reportDown: #expect(open == 0)
          }
          #expect(open <= 2)
        }
        #expect(machine.wakeAt != FeedMachine.never)
      }
    }
  }
}
