/// Places that are held until a time: shares as in `FairPlaces`, each given back by itself when its time is over. Time is passed in, in
/// seconds.
package struct ExpiringPlaces<Holder: Hashable & Sendable>: Sendable {
  private struct End: Hashable {
    let holder: Holder
    let minute: Int64
  }

  private var places: FairPlaces<Holder>
  /// What ends in a minute: as many entries as holders have minutes, and no more than places.
  private var ends: [End: Int] = [:]
  private var nextEnd = Int64.max

  /// - Parameter single: what one alone may have.
  package init(single: Int) { places = FairPlaces(single: single) }

  /// Shares of `all` places.
  package init(of all: Int) { places = FairPlaces(of: all) }

  package var taken: Int { places.taken }

  /// Whether `holder` has got so many more, until `end`.
  package mutating func take(_ count: Int, for holder: Holder, until end: Int64, now: Int64) -> Bool {
    giveBack(now: now)
    guard places.grants(count, to: holder) else { return false }
    places.take(count, for: holder)
    // Never before its time: the minute is over then.
    let minute = end / 60 &+ 1
    ends[End(holder: holder, minute: minute), default: 0] += count
    nextEnd = min(nextEnd, minute)
    return true
  }

  private mutating func giveBack(now: Int64) {
    let minute = now / 60
    guard nextEnd <= minute else { return }
    nextEnd = .max
    for (end, count) in ends {
      if end.minute <= minute {
        places.give(count, from: end.holder)
        ends[end] = nil
      } else {
        nextEnd = min(nextEnd, end.minute)
      }
    }
  }
}
