/// When an introspection endpoint is asked about a token: events in, one action out; no clock and no network of its own.
///
/// One question at a time for each token, whoever asks; answers are kept, those about tokens that are not active apart, so that a
/// flood of made-up tokens drives no good one out; so many questions at once and so many a second, and no more: what comes beyond
/// is refused, not asked. Times are milliseconds of a monotonic clock.
package struct IntrospectionGate {
  package struct Bounds: Sendable, Equatable {
    /// How long an answer is kept when the token is active, and when it is not.
    package var lifetime: UInt64
    package var inactiveLifetime: UInt64
    /// Questions at once.
    package var concurrency: Int
    /// Questions that wait for one of those to be answered.
    package var queue: Int
    /// Questions in each `period` of milliseconds.
    package var rate: Int
    package var period: UInt64

    package init(
      lifetime: UInt64 = 30_000, inactiveLifetime: UInt64 = 10_000, concurrency: Int = 8, queue: Int = 256, rate: Int = 100,
      period: UInt64 = 1_000
    ) {
      self.lifetime = lifetime
      self.inactiveLifetime = inactiveLifetime
      self.concurrency = max(1, concurrency)
      self.queue = max(0, queue)
      self.rate = max(1, rate)
      self.period = max(1, period)
    }
  }

  package enum Action: Equatable {
    case answer(IntrospectionAnswer)
    /// Ask the server; `answered` follows.
    case ask
    /// The question is on its way, or waits for its turn.
    case wait
    /// There are too many questions.
    case refuse
  }

  package static let maximumConcurrency = 64

  private var bounds: Bounds
  private var active: IntrospectionAnswers
  private var inactive: IntrospectionAnswers
  /// Questions on their way, with the time at which they were asked.
  private var asked: [[UInt8]: UInt64] = [:]
  private var queued: [[UInt8]] = []
  /// Questions that may be asked now, times `period`, and since when they are counted.
  private var credit: UInt64
  private var creditedAt: UInt64 = 0

  package init(_ bounds: Bounds) {
    self.bounds = bounds
    active = IntrospectionAnswers(lifetime: bounds.lifetime)
    inactive = IntrospectionAnswers(lifetime: bounds.inactiveLifetime)
    credit = UInt64(bounds.rate) * bounds.period
  }

  /// Other bounds for the same server: what is known stays, for as long as these say.
  package mutating func adopt(_ bounds: Bounds) {
    credit = min(UInt64(bounds.rate), credit / self.bounds.period) * bounds.period
    active.lifetime = bounds.lifetime
    inactive.lifetime = bounds.inactiveLifetime
    self.bounds = bounds
  }

  /// Somebody wants to know about a token.
  ///
  /// - Parameter digest: its SHA-256.
  package mutating func question(_ digest: [UInt8], now: UInt64) -> Action {
    if let answer = active.answer(digest, now: now) ?? inactive.answer(digest, now: now) { return .answer(answer) }
    if asked[digest] != nil || queued.contains(digest) { return .wait }
    let mayStart = asked.count < bounds.concurrency
    guard mayStart || queued.count < bounds.queue, spend(now) else { return .refuse }
    guard mayStart else {
      queued.append(digest)
      return .wait
    }
    asked[digest] = now
    return .ask
  }

  /// The server answered, or did not.
  ///
  /// - Returns: the token to ask about next.
  package mutating func answered(_ digest: [UInt8], _ answer: IntrospectionAnswer, now: UInt64) -> [UInt8]? {
    guard let askedAt = asked.removeValue(forKey: digest) else { return nil }
    switch answer {
    case .active: active.keep(answer, for: digest, askedAt: askedAt, now: now)
    case .inactive: inactive.keep(answer, for: digest, askedAt: askedAt, now: now)
    // Whether the server is well again is found out by asking.
    case .unavailable: break
    }
    guard !queued.isEmpty else { return nil }
    let next = queued.removeFirst()
    asked[next] = now
    return next
  }

  /// A bucket that holds one period's questions and is filled evenly.
  private mutating func spend(_ now: UInt64) -> Bool {
    let full = UInt64(bounds.rate) * bounds.period
    let passed = min(now - min(creditedAt, now), bounds.period)
    credit = min(full, credit + passed * UInt64(bounds.rate))
    creditedAt = now
    guard credit >= bounds.period else { return false }
    credit -= bounds.period
    return true
  }
}
