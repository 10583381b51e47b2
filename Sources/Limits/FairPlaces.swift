/// Places that many want, of which nobody takes so many that none are left for others: whoever holds as many as are still free gets no
/// more. One alone has half of them, so there are twice as many places as one alone is to have. The next one has half of what is left, and
/// so on; where places are given back, `n` who want all they can get come to have one of `n + 1` parts each. Half as many as one alone has
/// are kept for those who hold very few, so that it takes very many to leave nothing.
///
/// Nobody who holds nothing is known, so there are at most as many entries as places.
package struct FairPlaces<Holder: Hashable & Sendable>: Sendable {
  package private(set) var places: Int
  /// Beyond those, for whoever holds no more than `few`.
  package private(set) var reserve: Int
  private var few: Int
  private var held: [Holder: Int] = [:]
  /// Places that somebody holds.
  package private(set) var taken = 0

  /// - Parameter single: what one alone may have; there are twice as many.
  package init(single: Int) {
    places = max(1, single) * 2
    few = min(4, single / 64)
    reserve = few > 0 ? single / 2 : 0
  }

  /// Shares of `all` places, the reserve included.
  package init(of all: Int) { self.init(single: all / 5 * 2) }

  /// Other shares, of `all` places. Who holds more than it could take now keeps it.
  package mutating func resize(of all: Int) {
    let other = Self(of: all)
    (places, reserve, few) = (other.places, other.reserve, other.few)
  }

  package func held(by holder: Holder) -> Int { held[holder] ?? 0 }

  /// Whether `holder` may take so many more.
  ///
  /// - Parameter times: holders of which each is many may have so many times as much as is free, instead of as much.
  package func grants(_ count: Int = 1, to holder: Holder, times: Int = 1) -> Bool {
    let free = places - taken
    let mine = held(by: holder)
    if count <= free, mine + count <= (free - count) * times { return true }
    return count <= few - mine && count <= free + reserve
  }

  package mutating func take(_ count: Int = 1, for holder: Holder) {
    held[holder, default: 0] += count
    taken += count
  }

  /// Takes back what was taken; never more than the holder has.
  package mutating func give(_ count: Int = 1, from holder: Holder) {
    guard let has = held[holder] else { return }
    let given = min(count, has)
    held[holder] = given == has ? nil : has - given
    taken -= given
  }
}
