/// When to connect, subscribe, read, probe and give up: the feed without its sockets. Events in, actions out.
///
/// The subscription comes first and the read of the whole set second, so that what is published between the two is not
/// missed. One connection's failure ends both: what a new subscription has missed, only a new read can tell. Times are ms of a
/// monotonic clock.
struct FeedMachine {
  enum Event: Equatable {
    case start
    case stop
    /// The server answered SUBSCRIBE, the first or one that probes.
    case subscribed
    /// The reading connection is connected and authenticated.
    case readerReady
    /// Bytes have come on the reading connection.
    case progressed
    /// The set has been read.
    case readEnded
    /// The set breaks a limit. The connection is good, what is known of the set is not.
    case readRefused
    case failed(String)
    /// `wakeAt` has passed.
    case woke
  }

  enum Action: Equatable {
    /// Opens the first connection and subscribes on it.
    case connectSubscriber
    /// Opens the second connection.
    case connectReader
    /// Asks for the subscription anew.
    case probe
    case read
    /// Closes what is open.
    case close
    case reportAlive
    case reportDown(String)
  }

  private enum Phase {
    case idle, waiting, subscribing, openingReader
    /// Both connections are there; the last read of the set, if there was one, was refused.
    case incomplete
    case alive
  }

  /// Until the server has accepted us: connect, AUTH, SELECT and SUBSCRIBE together.
  static let connectTimeout: UInt64 = 2_000
  /// Until an answer comes, or more bytes of one.
  static let answerTimeout: UInt64 = 2_000
  /// For a read, however steadily its bytes come.
  static let readTimeout: UInt64 = 30_000
  /// From one probe's answer to the next probe.
  static let probeInterval: UInt64 = 1_000

  private let readInterval: UInt64
  private var backoff: Backoff
  private var phase = Phase.idle
  /// Ends of what is awaited, and times of what is due; `never` for nothing.
  private var phaseEnds = Self.never
  private var probeDue = Self.never
  private var answerEnds = Self.never
  private var readDue = Self.never
  private var readSilenceEnds = Self.never
  private var readEnds = Self.never
  static let never = UInt64.max

  /// `readInterval`: from a read's end to the next.
  init(readInterval: UInt64, random: any RandomNumberGenerator = SystemRandomNumberGenerator()) {
    self.readInterval = readInterval
    backoff = Backoff(random: random)
  }

  /// When the machine wants `woke`, or `never`.
  var wakeAt: UInt64 { min(phaseEnds, probeDue, answerEnds, readDue, readSilenceEnds, readEnds) }

  mutating func handle(_ event: Event, now: UInt64) -> [Action] {
    switch (event, phase) {
    case (.start, .idle): return connect(now)
    case (.stop, .idle), (_, .idle): return []
    case (.stop, _):
      forget()
      phase = .idle
      return [.close]
    case (.failed(let reason), _): return fail(reason, now)
    case (.woke, _): return wake(now)
    case (.subscribed, .subscribing):
      probeDue = now + Self.probeInterval
      phase = .openingReader
      phaseEnds = now + Self.connectTimeout
      return [.connectReader]
    case (.subscribed, .openingReader), (.subscribed, .incomplete), (.subscribed, .alive):
      answerEnds = Self.never
      probeDue = now + Self.probeInterval
      guard phase == .alive else { return [] }
      // Not at the first read: a server that dies of being read would be asked ten times a second.
      backoff.reset()
      return [.reportAlive]
    case (.readerReady, .openingReader):
      phase = .incomplete
      phaseEnds = Self.never
      return read(now)
    case (.progressed, _):
      if readSilenceEnds != Self.never { readSilenceEnds = now + Self.answerTimeout }
      return []
    case (.readEnded, .incomplete), (.readEnded, .alive):
      phase = .alive
      endRead(now)
      return [.reportAlive]
    case (.readRefused, .incomplete), (.readRefused, .alive):
      phase = .incomplete
      endRead(now)
      return []
    case (.start, _), (.subscribed, .waiting), (.readerReady, _), (.readEnded, _), (.readRefused, _): return []
    }
  }

  private mutating func connect(_ now: UInt64) -> [Action] {
    forget()
    phase = .subscribing
    phaseEnds = now + Self.connectTimeout
    return [.connectSubscriber]
  }

  private mutating func read(_ now: UInt64) -> [Action] {
    readDue = Self.never
    readSilenceEnds = now + Self.answerTimeout
    readEnds = now + Self.readTimeout
    return [.read]
  }

  private mutating func endRead(_ now: UInt64) {
    readSilenceEnds = Self.never
    readEnds = Self.never
    readDue = now + readInterval
  }

  private mutating func fail(_ reason: String, _ now: UInt64) -> [Action] {
    if phase == .waiting { return [] }
    forget()
    phase = .waiting
    phaseEnds = now + backoff.next()
    return [.close, .reportDown(reason)]
  }

  private mutating func wake(_ now: UInt64) -> [Action] {
    if now >= phaseEnds { return phase == .waiting ? connect(now) : fail("no connection within \(Self.connectTimeout) ms", now) }
    if now >= answerEnds { return fail("the subscription did not answer within \(Self.answerTimeout) ms", now) }
    if now >= readSilenceEnds { return fail("the read did not answer within \(Self.answerTimeout) ms", now) }
    if now >= readEnds { return fail("the read took more than \(Self.readTimeout) ms", now) }
    var actions: [Action] = []
    if now >= probeDue {
      probeDue = Self.never
      answerEnds = now + Self.answerTimeout
      actions.append(.probe)
    }
    if now >= readDue { actions += read(now) }
    return actions
  }

  private mutating func forget() {
    phaseEnds = Self.never
    probeDue = Self.never
    answerEnds = Self.never
    readDue = Self.never
    readSilenceEnds = Self.never
    readEnds = Self.never
  }
}
