import Limits

/// When an introspection endpoint is asked about a token: events in, one action out; no clock and no network of its own.
///
/// One question at a time for each token, whoever asks; answers are kept, those about tokens that are not active apart, so that a
/// flood of made-up tokens drives no good one out; so many questions at once and so many a second, and no more: what comes beyond
/// is refused, not asked. Of both each client has its share, so that a flood from one leaves room for the others. Times are milliseconds
/// of a monotonic clock.
package struct IntrospectionGate {
  package struct Bounds: Sendable, Equatable {
    /// How long an answer is kept when the token is active, and when it is not.
    package var lifetime: UInt64
    package var inactiveLifetime: UInt64
    /// Questions at once.
    package var concurrency: Int
    /// Questions of one client that wait for one of those to be answered, where no other's wait; of all together two and a half times as
    /// many.
    package var queue: Int
    /// Questions in each `period` of milliseconds, with bursts of as many for one client and twice as many for all.
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
  /// Those that wait for one of these to be answered, each client's in a line of its own.
  private var queue: FairQueue<ClientAddress, [UInt8]>
  private var queued: Set<[UInt8]> = []
  private var rate: FairRate<ClientAddress>

  package init(_ bounds: Bounds) {
    self.bounds = bounds
    active = IntrospectionAnswers(lifetime: bounds.lifetime)
    inactive = IntrospectionAnswers(lifetime: bounds.inactiveLifetime)
    queue = FairQueue(single: bounds.queue)
    rate = FairRate(count: bounds.rate, period: bounds.period)
  }

  /// Other bounds for the same server: what is known stays, for as long as these say. `next` may have something to ask.
  package mutating func adopt(_ bounds: Bounds) {
    rate.adopt(count: bounds.rate, period: bounds.period)
    active.lifetime = bounds.lifetime
    inactive.lifetime = bounds.inactiveLifetime
    self.bounds = bounds
  }

  /// Somebody wants to know about a token.
  ///
  /// - Parameters:
  ///   - digest: its SHA-256.
  ///   - client: who sent it.
  package mutating func question(_ digest: [UInt8], for client: ClientAddress = .unknown, now: UInt64) -> Action {
    if let answer = active.answer(digest, now: now) ?? inactive.answer(digest, now: now) { return .answer(answer) }
    if asked[digest] != nil || queued.contains(digest) { return .wait }
    guard asked.count >= bounds.concurrency || !queue.isEmpty else {
      guard rate.spend(by: client, now: now) else { return .refuse }
      asked[digest] = now
      return .ask
    }
    // Who finds no room has spent nothing.
    guard queue.grants(to: client), rate.spend(by: client, now: now), queue.append(digest, for: client) else { return .refuse }
    queued.insert(digest)
    return .wait
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
    return next(now: now)
  }

  /// The token to ask about now, of those that wait.
  package mutating func next(now: UInt64) -> [UInt8]? {
    guard asked.count < bounds.concurrency, let next = queue.next() else { return nil }
    queued.remove(next)
    asked[next] = now
    return next
  }
}
