/// What each client has of an amount that clients use and give back of themselves, and that cannot be taken from them: no client may use
/// up what the next one needs. Counted in whatever `capacity` is counted in: a backend's connections in thousandths of one, of which a
/// stream of a shared connection is a few. For whole things that anybody else wants see `FairPlaces`.
///
/// A client may take more for as long as what it holds is less than its share of what it holds and what is free. With a share of half that
/// is: less than what is free. So one client alone can have half of all, a second one half of the rest, and there is always something
/// left for one who has nothing yet; and when everybody holds little, everything can be used. The same holds once more between the HTTP/2
/// connections of one client, for what the client may have.
package struct ClientShares: ~Copyable, Sendable {
  /// All that there is; what is held beyond it after it has become less is waited for.
  package var capacity: Int
  /// Hundredths of what is there that one client may have; 100 is no bound.
  package var percent: Int
  private var addresses = ClientLedger()
  private var connections = ClientLedger()

  package init(capacity: Int, percent: Int) {
    self.capacity = capacity
    self.percent = percent
  }

  /// What all together hold.
  package var held: Int { addresses.total }
  /// Clients that hold something.
  package var clients: Int { addresses.clients }

  package func amount(of client: ClientAddress) -> Int { addresses.amount(of: client) }
  package func amount(ofConnection origin: ClientOrigin) -> Int { connections.amount(of: origin.connectionKey) }

  /// Whether `origin` may take something more.
  package func mayTake(_ origin: ClientOrigin) -> Bool {
    let free = capacity &- addresses.total
    guard free > 0 else { return false }
    guard percent < 100, !origin.address.isUnknown else { return true }
    let others = 100 &- percent
    // Hundredths of what the client may still take.
    let room = free &* percent &- addresses.amount(of: origin.address) &* others
    guard room > 0 else { return false }
    guard origin.connection != 0 else { return true }
    return connections.amount(of: origin.connectionKey) &* others &* 100 < room &* percent
  }

  package mutating func take(_ amount: Int, for origin: ClientOrigin) {
    addresses.add(amount, to: origin.address)
    if origin.connection != 0 { connections.add(amount, to: origin.connectionKey) }
  }

  package mutating func give(_ amount: Int, from origin: ClientOrigin) {
    addresses.remove(amount, from: origin.address)
    if origin.connection != 0 { connections.remove(amount, from: origin.connectionKey) }
  }
}
