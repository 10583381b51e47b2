/// A rate that many use: so many in each period, for whoever comes alone with bursts of as many. Nobody spends more than stays free beside
/// it, as in `FairPlaces`: what was spent heals evenly, for each in proportion to what it has spent, so one who wants all gets all that
/// heals, and half of the burst stays for whoever comes next. Time is passed in, in milliseconds of a monotonic clock.
package struct FairRate<Holder: Hashable & Sendable>: Sendable {
  /// So many in each `period`.
  package private(set) var count: Int
  package private(set) var period: UInt64
  /// What each has spent and what has not healed yet, before `scale`.
  private var spent: [Holder: Double] = [:]
  private var scale = 1.0
  /// What all have spent.
  private var debt = 0.0
  private var healedAt: UInt64 = 0
  /// Less than anything that counts: what was divided and multiplied again is not what it was.
  private static var error: Double { 1e-6 }
  /// Who has spent less than this is forgotten when there are many.
  private static var negligible: Double { 0.25 }

  package init(count: Int, period: UInt64) {
    self.count = max(1, count)
    self.period = max(1, period)
  }

  /// Another rate. What was spent counts as much of it as of the old one.
  package mutating func adopt(count: Int, period: UInt64) {
    let factor = Double(max(1, count)) / Double(self.count)
    debt *= factor
    scale *= factor
    self.count = max(1, count)
    self.period = max(1, period)
    normalise()
  }

  package mutating func spend(by holder: Holder, now: UInt64) -> Bool {
    heal(now)
    let mine = (spent[holder] ?? 0) * scale + 1
    guard mine <= Double(count) * 2 - debt - 1 + Self.error else { return false }
    spent[holder] = mine / scale
    debt += 1
    if spent.count > maximumHolders { forgetLittle() }
    return true
  }

  /// Those who are known; what all have spent is bounded, so few of them can have spent much.
  package var holders: Int { spent.count }
  package var maximumHolders: Int { count * 16 + 64 }

  private mutating func heal(_ now: UInt64) {
    guard now > healedAt else { return }
    let healed = Double(now - healedAt) * Double(count) / Double(period)
    healedAt = now
    guard healed < debt else {
      spent.removeAll(keepingCapacity: spent.count < 64)
      (debt, scale) = (0, 1)
      return
    }
    scale *= (debt - healed) / debt
    debt -= healed
    normalise()
  }

  /// Before the scale is so small that nothing can be divided by it.
  private mutating func normalise() {
    guard scale < 1e-9 || scale > 1e9 else { return }
    spent = spent.mapValues { $0 * scale }
    scale = 1
  }

  private mutating func forgetLittle() { spent = spent.filter { $0.value * scale >= Self.negligible } }
}
