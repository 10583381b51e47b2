/// How much of something each client holds. Knows nobody who holds nothing, so it has at most as many entries as there are units to be
/// held, and whoever bounds those bounds it.
///
/// Asked twice for each request, so it is never copied for that, and a table of its own: open addressing with linear probing, keyed with a
/// secret, so that nobody can choose addresses that meet in one place.
package struct ClientLedger: ~Copyable, Sendable {
  private struct Entry {
    var client = ClientAddress.unknown
    /// 0 is an empty place.
    var amount = 0

    /// - Returns: whether the place was empty.
    mutating func add(_ more: Int, to client: ClientAddress) -> Bool {
      let wasEmpty = amount == 0
      if wasEmpty { self.client = client }
      amount &+= more
      return wasEmpty
    }

    /// - Returns: what was there of it, and whether nothing is left.
    mutating func take(_ most: Int) -> (taken: Int, isLast: Bool) {
      let taken = min(most, amount)
      amount &-= taken
      return (taken, taken > 0 && amount == 0)
    }
  }

  private var entries: [Entry] = []
  /// Clients that hold something.
  package private(set) var clients = 0
  /// What all of them hold.
  package private(set) var total = 0
  private let secret: (UInt64, UInt64)

  private static let least = 16

  package init() { secret = (.random(in: .min ... .max), .random(in: .min ... .max)) }

  package func amount(of client: ClientAddress) -> Int {
    if clients == 0 { return 0 }
    return entries[place(of: client)].amount
  }

  package mutating func add(_ amount: Int, to client: ClientAddress) {
    guard amount > 0 else { return }
    if clients &* 2 >= entries.count { grow() }
    if entries[place(of: client)].add(amount, to: client) { clients &+= 1 }
    total &+= amount
  }

  /// Takes back what was added; never more than the client holds.
  package mutating func remove(_ amount: Int, from client: ClientAddress) {
    guard amount > 0, clients > 0 else { return }
    let place = place(of: client)
    let (taken, isLast) = entries[place].take(amount)
    total &-= taken
    if isLast {
      clients &-= 1
      close(gap: place)
    }
  }

  /// Where the client's entry is, or would be.
  private func place(of client: ClientAddress) -> Int {
    let mask = entries.count &- 1
    var place = home(of: client)
    while entries[place].amount != 0, entries[place].client != client { place = (place &+ 1) & mask }
    return place
  }

  private func home(of client: ClientAddress) -> Int {
    let product = (client.high ^ secret.0).multipliedFullWidth(by: client.low ^ secret.1)
    return Int(truncatingIfNeeded: product.high ^ product.low) & (entries.count &- 1)
  }

  /// Moves entries that were put behind an emptied place because it was taken, so that they are found from where they belong.
  private mutating func close(gap: Int) {
    let mask = entries.count &- 1
    var gap = gap
    var next = (gap &+ 1) & mask
    while entries[next].amount != 0 {
      // How far the entry is from its home, and how far the gap is from the entry: it may move no further than its home.
      if (next &- home(of: entries[next].client)) & mask >= (next &- gap) & mask {
        entries[gap] = entries[next]
        entries[next] = Entry()
        gap = next
      }
      next = (next &+ 1) & mask
    }
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: Entry(), count: max(Self.least, old.count * 2))
    for entry in old where entry.amount != 0 { entries[place(of: entry.client)] = entry }
  }
}
