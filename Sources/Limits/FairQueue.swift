/// A line in which each has a line of its own: they are served in turn, and nobody's own is so long that there is no room for others'.
///
/// It holds two and a half times as many elements as one alone may have (twice as many where that is less than 64), whose places are those
/// of `FairPlaces`. Nobody leaves it before his turn; for a line of clients who do, see `ClientLine`.
package struct FairQueue<Holder: Hashable & Sendable, Element: Sendable>: Sendable {
  private var places: FairPlaces<Holder>
  private var lines: [Holder: [Element]] = [:]
  /// Whose turn it is, of those who have a line.
  private var turns: [Holder] = []

  /// - Parameter single: how many one may have who stands alone; nobody may have any for 0.
  package init(single: Int) { places = FairPlaces(single: single) }

  package var count: Int { places.taken }
  package var isEmpty: Bool { turns.isEmpty }

  package func grants(to holder: Holder) -> Bool { places.grants(to: holder) }

  /// False when there is no room for it.
  package mutating func append(_ element: Element, for holder: Holder) -> Bool {
    guard places.grants(to: holder) else { return false }
    places.take(for: holder)
    if lines[holder] == nil { turns.append(holder) }
    lines[holder, default: []].append(element)
    return true
  }

  /// The first of whoever's turn it is.
  package mutating func next() -> Element? {
    guard !turns.isEmpty else { return nil }
    let holder = turns.removeFirst()
    guard var line = lines.removeValue(forKey: holder), !line.isEmpty else { return nil }
    let element = line.removeFirst()
    places.give(from: holder)
    if !line.isEmpty {
      lines[holder] = line
      turns.append(holder)
    }
    return element
  }
}
