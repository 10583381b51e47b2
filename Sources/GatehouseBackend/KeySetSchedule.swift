/// When the key set is fetched: events in, one decision out; no clock and no network of its own. Times are since a fixed moment.
///
/// A set is fetched anew ahead of its end, by the lookups that find it ageing, and out of turn when a token names a key that is not
/// in it. No two fetches begin within one cooldown, whoever asks. The last good set serves through failures, until `maximumAge`.
struct KeySetSchedule: Sendable {
  struct Bounds: Sendable {
    var refresh: Duration
    var cooldown: Duration
    var maximumAge: Duration
  }

  enum Decision: Equatable {
    /// With the set at hand.
    case serve
    /// The same, and a fetch begins meanwhile.
    case serveAndFetch
    /// A fetch begins, and its end is waited for.
    case fetch
    /// The end of the fetch that is under way is waited for.
    case wait
    /// There is no set, or not this key, and no fetch may begin yet.
    case refuse
  }

  let bounds: Bounds
  private(set) var isFetching = false
  private var fetchedAt: Duration?
  /// From when on the set is fetched anew while it still serves, and from when on it no longer serves without a try.
  private var ageingAt = Duration.zero
  private var staleAt = Duration.zero
  private var allowedAt = Duration.zero
  private var failures = 0
  /// Tries for a first set are nearer to each other than a cooldown: nothing is served meanwhile.
  private static let firstRetry = Duration.seconds(1)

  init(_ bounds: Bounds) { self.bounds = bounds }

  /// Whether there is a set that may still be used.
  func hasSet(now: Duration) -> Bool { fetchedAt.map { now - $0 < bounds.maximumAge } ?? false }

  /// A token is to be verified.
  mutating func lookup(now: Duration) -> Decision {
    guard hasSet(now: now) else { return fetchOrWait(now) }
    // After a failure nobody waits again: a gateway that is down or slow must not hold up what the last good set can decide.
    if now >= staleAt, failures == 0 {
      let decision = fetchOrWait(now)
      return decision == .refuse ? .serve : decision
    }
    guard now >= ageingAt, !isFetching, now >= allowedAt else { return .serve }
    begin(now)
    return .serveAndFetch
  }

  /// The token names a key that the set lacks.
  mutating func unknownKey(now: Duration) -> Decision { fetchOrWait(now) }

  private mutating func fetchOrWait(_ now: Duration) -> Decision {
    if isFetching { return .wait }
    guard now >= allowedAt else { return .refuse }
    begin(now)
    return .fetch
  }

  private mutating func begin(_ now: Duration) {
    isFetching = true
    allowedAt = now + bounds.cooldown
  }

  /// - Parameters:
  ///   - freshness: how long the answer may be used, if it says; never longer than `refresh`, never shorter than the cooldown.
  ///   - spread: 0…1, any number: many backends are not to fetch at the same time.
  mutating func succeeded(now: Duration, freshness: Duration?, spread: Double) {
    isFetching = false
    failures = 0
    fetchedAt = now
    let lifetime = min(max(freshness ?? bounds.refresh, bounds.cooldown), bounds.refresh)
    ageingAt = now + lifetime * (0.75 + 0.2 * spread)
    staleAt = now + lifetime
  }

  mutating func failed(now: Duration) {
    isFetching = false
    failures += 1
    if fetchedAt == nil { allowedAt = now + min(Self.firstRetry * (1 << min(failures - 1, 6)), bounds.cooldown) }
  }
}
