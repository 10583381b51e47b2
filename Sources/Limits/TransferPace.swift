/// Whether a transfer goes on fast enough, measured over the time in which the other end is waited for: what the gateway itself does not
/// take yet, or does not have yet, counts for nobody. Time is passed in, in ms of a clock that does not go backwards.
///
/// The least rate is an account of waiting time. It begins with a few seconds; each byte earns what it takes at the least rate, and waiting
/// spends it. So a burst does not pay for hours of silence: no more is kept than the longest silence that is allowed at all.
package struct TransferPace: Sendable {
  package struct Rules: Equatable, Sendable {
    /// Milliseconds in which nothing moves; 0 is no bound.
    package var silence: UInt64
    /// Bytes a second; 0 asks for none.
    package var rate: UInt64
    /// Milliseconds in all; 0 is no bound.
    package var total: UInt64

    package init(silence: UInt64, rate: UInt64, total: UInt64) {
      self.silence = silence
      self.rate = rate
      self.total = total
    }

    package static let none = Rules(silence: 0, rate: 0, total: 0)
  }

  package enum Verdict: Equatable, Sendable {
    case good
    case silent
    case slow
    case long
  }

  /// Milliseconds of waiting that a transfer has before the least rate is asked for.
  package static let grace: UInt64 = 5_000

  package let rules: Rules
  package private(set) var isWaiting = false
  private var settledAt: UInt64 = 0
  /// Milliseconds of waiting, in all and since something moved.
  private var waited: UInt64 = 0
  private var silent: UInt64 = 0
  /// Thousandths of bytes: each millisecond of waiting takes `rate` of them.
  private var credit: UInt64

  /// - Parameter patience: milliseconds of waiting before the least rate is asked for.
  package init(_ rules: Rules, patience: UInt64 = grace) {
    self.rules = rules
    credit = rules.rate &* min(patience, max(rules.silence, Self.grace))
  }

  /// The other end is waited for from now on.
  package mutating func wait(now: UInt64) {
    settle(now)
    isWaiting = true
  }

  /// The other end is not waited for.
  package mutating func pause(now: UInt64) {
    settle(now)
    isWaiting = false
  }

  package mutating func moved(_ bytes: UInt64, now: UInt64) {
    settle(now)
    guard bytes > 0 else { return }
    silent = 0
    earn(bytes)
  }

  /// The same, of bytes that moved since the last call of anything here, nobody knows when: they pay for that time.
  package mutating func movedMeanwhile(_ bytes: UInt64, now: UInt64) {
    earn(bytes)
    settle(now)
    if bytes > 0 { silent = 0 }
  }

  private mutating func earn(_ bytes: UInt64) { credit = min(most, credit &+ min(bytes, 1 << 40) &* 1_000) }

  /// The other end has come up with what it was waited for since `start`: that time counts for nothing, as much as it was is taken off what
  /// was counted before, and there is as much patience as there can be.
  package mutating func forgive(since start: UInt64, now: UInt64) {
    settle(now)
    let lasted = now > start ? now &- start : 0
    waited &-= min(waited, min(lasted, 1 << 60) &* 2)
    silent = 0
    credit = most
  }

  /// What is to be said of the transfer at `now`.
  package mutating func verdict(now: UInt64) -> Verdict {
    settle(now)
    if rules.total > 0, waited >= rules.total { return .long }
    if rules.silence > 0, silent >= rules.silence { return .silent }
    return rules.rate > 0 && credit == 0 ? .slow : .good
  }

  /// When the verdict will be another if nothing moves until then; nil for never.
  package var deadline: UInt64? {
    guard isWaiting, rules != .none else { return nil }
    var left = UInt64.max
    if rules.total > 0 { left = rules.total &- min(waited, rules.total) }
    if rules.silence > 0 { left = min(left, rules.silence &- min(silent, rules.silence)) }
    if rules.rate > 0 { left = min(left, credit / rules.rate &+ (credit % rules.rate == 0 ? 0 : 1)) }
    return settledAt &+ left
  }

  /// The most that can be saved up: the longest silence that is allowed at all.
  private var most: UInt64 { rules.rate &* max(rules.silence, Self.grace) }

  private mutating func settle(_ now: UInt64) {
    if isWaiting, now > settledAt {
      let passed = now &- settledAt
      waited &+= passed
      silent &+= passed
      let (spent, overflows) = passed.multipliedReportingOverflow(by: rules.rate)
      credit = overflows || spent > credit ? 0 : credit &- spent
    }
    settledAt = max(settledAt, now)
  }
}
