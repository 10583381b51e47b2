/// When a provider's key set is fetched: events in, one action out; no clock and no network of its own.
///
/// The set is fetched ahead of its end, again after a failure, and out of turn when a token names a key that is not in it: never
/// more often than once a cooldown, whoever asks. The last good set stays in force through any failure, until it is `maximumAge`
/// old. Times are milliseconds of a monotonic clock.
package struct KeySetRefresher: Sendable {
  package struct Bounds: Sendable, Equatable {
    /// The longest time between two fetches; a provider's `Cache-Control` may ask for less.
    package var refresh: UInt64
    /// The shortest.
    package var cooldown: UInt64
    /// A set that could not be fetched anew for so long is given up.
    package var maximumAge: UInt64

    package init(refresh: UInt64 = 600_000, cooldown: UInt64 = 30_000, maximumAge: UInt64 = 86_400_000) {
      self.refresh = max(refresh, cooldown)
      self.cooldown = cooldown
      self.maximumAge = max(maximumAge, self.refresh)
    }
  }

  package enum Action: Equatable, Sendable {
    case nothing
    case fetch
    /// The set has grown too old: no key is good any more.
    case drop
  }

  /// What becomes of a request whose token names a key that is not in the set.
  package enum UnknownKey: Equatable, Sendable {
    /// Fetch; the request waits.
    case fetch
    /// A fetch is under way already, and the request waits for it.
    case wait
    /// Nothing is fetched for this key now.
    case refuse
  }

  package private(set) var bounds: Bounds
  package private(set) var isFetching = false
  package private(set) var hasKeys = false
  /// No fetch begins before.
  package private(set) var allowedAt: UInt64 = 0
  private var nextFetch: UInt64 = 0
  private var lastSuccess: UInt64 = 0
  /// When the set is given up, if no fetch succeeds before.
  private var endsAt: UInt64 = 0
  private var failures: UInt64 = 0
  /// Keys that were asked for since the last fetch began, and those that a fetch did not bring.
  private var asked: [UInt64: Asked] = [:]
  private static let maximumAsked = 1024
  /// Cooldowns for which a key that a fetch did not bring is not fetched for again: longer each time, since a provider may be late
  /// with a key that it signs with already, and a made-up key never comes.
  private static let pauses: [UInt64] = [2, 4, 8, 10]
  /// A set that is too old by bounds that have just come into force may be fetched anew for so long before it is given up.
  private static let grace: UInt64 = 30_000

  private struct Asked {
    /// Until then it is not fetched for again; 0 while somebody waits for it.
    var until: UInt64 = 0
    /// Fetches that did not bring it.
    var misses = 0
  }
  /// The first tries of a provider that has never answered are nearer to each other than a cooldown: nothing is served meanwhile.
  private static let firstRetry: UInt64 = 1_000

  package init(_ bounds: Bounds) { self.bounds = bounds }

  /// There are keys already, from another place of the same provider: they are in force until this one has answered.
  ///
  /// - Parameter goodAt: when they were last known to be the provider's.
  package init(_ bounds: Bounds, inheriting goodAt: UInt64, now: UInt64) {
    self.bounds = bounds
    hasKeys = true
    lastSuccess = goodAt
    endsAt = Self.end(of: goodAt, bounds, now)
  }

  /// Other bounds for the same set.
  package mutating func adopt(_ bounds: Bounds, now: UInt64) {
    guard bounds != self.bounds else { return }
    self.bounds = bounds
    allowedAt = min(allowedAt, now + bounds.cooldown)
    if hasKeys {
      endsAt = Self.end(of: lastSuccess, bounds, now)
      nextFetch = min(nextFetch, lastSuccess + bounds.refresh / 100 * 80)
    }
    if failures > 0 { nextFetch = min(nextFetch, now + bounds.cooldown) }
    nextFetch = max(nextFetch, allowedAt)
  }

  private static func end(of lastSuccess: UInt64, _ bounds: Bounds, _ now: UInt64) -> UInt64 {
    max(lastSuccess + bounds.maximumAge, now + grace)
  }

  /// When `tick` has something to do next.
  package var wakeAt: UInt64 {
    let next = isFetching ? .max : nextFetch
    return hasKeys ? min(next, endsAt) : next
  }

  /// Time has passed.
  package mutating func tick(now: UInt64) -> Action {
    if hasKeys, now >= endsAt {
      hasKeys = false
      return .drop
    }
    guard !isFetching, now >= nextFetch else { return .nothing }
    begin(now)
    return .fetch
  }

  /// A token names a key that is not in the set.
  ///
  /// - Parameter key: a hash of its `kid`.
  package mutating func unknownKey(_ key: UInt64, now: UInt64) -> UnknownKey {
    // A set that was never there is being fetched anyway; the request is refused for want of keys, not of this one.
    if let known = asked[key], known.until > now { return .refuse }
    if isFetching {
      note(key)
      return .wait
    }
    guard now >= allowedAt else { return .refuse }
    begin(now)
    note(key)
    return .fetch
  }

  private mutating func note(_ key: UInt64) {
    if asked[key] != nil || asked.count < Self.maximumAsked { asked[key, default: Asked()].until = 0 }
  }

  private mutating func begin(_ now: UInt64) {
    isFetching = true
    allowedAt = now + bounds.cooldown
  }

  /// The fetch brought a set, or word that it is unchanged.
  ///
  /// - Parameters:
  ///   - freshness: milliseconds that the response may be used for, if it says.
  ///   - isChanged: what was not in the old set may be in this one.
  ///   - random: any number: spreads the fetches of many gateways.
  package mutating func succeeded(now: UInt64, freshness: UInt64?, isChanged: Bool, random: UInt64) {
    isFetching = false
    hasKeys = true
    lastSuccess = now
    endsAt = now + bounds.maximumAge
    failures = 0
    let lifetime = min(max(freshness ?? bounds.refresh, bounds.cooldown), bounds.refresh)
    // Between 80 and 95 % of its life: ahead of its end, and not all gateways at once.
    nextFetch = max(now + lifetime * (80 + random % 16) / 100, allowedAt)
    settle(now, forgets: isChanged)
  }

  /// The fetch brought nothing that can be used.
  package mutating func failed(now: UInt64, random: UInt64) {
    isFetching = false
    failures += 1
    var pause = bounds.cooldown << min(failures - 1, 5)
    if !hasKeys, lastSuccess == 0 {
      pause = min(Self.firstRetry << min(failures - 1, 5), bounds.cooldown)
      allowedAt = min(allowedAt, now + pause)
    }
    pause = min(pause, bounds.refresh)
    nextFetch = max(now + pause + random % (pause / 8 + 1), allowedAt)
    settle(now, forgets: false)
  }

  /// Those who asked have their answer. What the set still lacks is not fetched for again until it changes, or some cooldowns are
  /// over: one forged `kid` does not cost a fetch each.
  private mutating func settle(_ now: UInt64, forgets: Bool) {
    if forgets { asked = asked.filter { $0.value.until == 0 } }
    let longest = bounds.cooldown * (Self.pauses.last ?? 1)
    for (key, known) in asked {
      if known.until == 0 {
        let pause = Self.pauses[min(known.misses, Self.pauses.count - 1)]
        asked[key] = Asked(until: now + bounds.cooldown * pause, misses: known.misses + 1)
      } else if known.until + longest <= now {
        asked[key] = nil
      }
    }
  }
}
