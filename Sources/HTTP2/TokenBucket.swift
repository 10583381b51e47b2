/// So many at once, and so many a second from then on.
package struct TokenBucket: Sendable {
  package struct Rate: Equatable, Sendable {
    package var burst: UInt32
    package var perSecond: UInt32

    package init(burst: UInt32, perSecond: UInt32) {
      self.burst = burst
      self.perSecond = perSecond
    }

    package static let unlimited = Rate(burst: .max, perSecond: .max)
  }

  /// In thousandths, so that a slow rate gains something each millisecond.
  private var tokens: UInt64
  private var refilled: UInt64?

  package init(_ rate: Rate) {
    tokens = UInt64(rate.burst) &* 1000
  }

  /// Takes one token.
  ///
  /// - Parameter now: milliseconds of a clock that does not go backwards; if it does, nothing is gained.
  /// - Returns: false when there is none.
  package mutating func take(_ rate: Rate, now: UInt64) -> Bool {
    let full = UInt64(rate.burst) &* 1000
    if let refilled, now > refilled {
      let (gain, overflow) = (now &- refilled).multipliedReportingOverflow(by: UInt64(rate.perSecond))
      tokens = overflow || gain > full &- min(tokens, full) ? full : tokens &+ gain
    }
    refilled = max(refilled ?? now, now)
    guard tokens >= 1000 else { return false }
    tokens &-= 1000
    return true
  }

  /// Adds `count` tokens, up to the burst.
  package mutating func give(_ count: UInt32, _ rate: Rate) {
    tokens = min(tokens &+ UInt64(count) &* 1000, UInt64(rate.burst) &* 1000)
  }
}
