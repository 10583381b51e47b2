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

  package let bounds: Bounds
  package private(set) var isFetching = false
  package private(set) var hasKeys = false
  /// No fetch begins before.
  package private(set) var allowedAt: UInt64 = 0
  private var nextFetch: UInt64 = 0
  private var lastSuccess: UInt64 = 0
  private var failures: UInt64 = 0
  /// Keys that were asked for since the last fetch began, and those that a fetch did not bring: the first with 0, the others
  /// with the time until which they are not fetched for again.
  private var asked: [UInt64: UInt64] = [:]
  private static let maximumAsked = 1024
  /// The first tries of a provider that has never answered are nearer to each other than a cooldown: nothing is served meanwhile.
  private static let firstRetry: UInt64 = 1_000

  package init(_ bounds: Bounds) { self.bounds = bounds }

  /// When `tick` has something to do next.
  package var wakeAt: UInt64 {
    let next = isFetching ? .max : nextFetch
    return hasKeys ? min(next, lastSuccess + bounds.maximumAge) : next
  }

  /// Time has passed.
  package mutating func tick(now: UInt64) -> Action {
    if hasKeys, now >= lastSuccess + bounds.maximumAge {
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
    if let until = asked[key], until > now { return .refuse }
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
    if asked.count < Self.maximumAsked { asked[key] = 0 }
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

  /// Those who asked have their answer. What the set still lacks is not fetched for again until it changes, or ten cooldowns are
  /// over: one forged `kid` costs one fetch, not one a cooldown.
  private mutating func settle(_ now: UInt64, forgets: Bool) {
    if forgets { asked = asked.filter { $0.value == 0 } }
    for (key, until) in asked {
      if until == 0 { asked[key] = now + bounds.cooldown * 10 } else if until <= now { asked[key] = nil }
    }
  }
}
