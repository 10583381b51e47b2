import Limits
import Reactor

/// A worker's count of one listener's connections. The listener has it, and each connection that it has let in, so that one that ends is
/// taken off where it was counted, whatever has become of the listener.
package final class ConnectionSeats {
  fileprivate(set) var room = ConnectionRoom()

  package init() {}

  /// Whether nobody else has a place.
  func isFull(_ bounds: ConnectionRoom.Bounds) -> Bool { room.open >= bounds.all }

  /// A place for another connection, if there is one; nil is a client that a balancer is still to name. Where nobody's connections are
  /// counted, this one is not when they are later.
  func take(for client: ClientAddress?, _ bounds: ConnectionRoom.Bounds) -> ConnectionSeat? {
    let counted = bounds.client > 0 ? client : nil
    return room.admit(counted, bounds) ? ConnectionSeat(seats: self, client: counted) : nil
  }
}

/// One connection's place.
struct ConnectionSeat {
  let seats: ConnectionSeats
  private var client: ClientAddress?
  private var isTaken = true

  fileprivate init(seats: ConnectionSeats, client: ClientAddress?) {
    self.seats = seats
    self.client = client
  }

  /// The balancer has said who the client is. False when that one has enough.
  mutating func name(_ client: ClientAddress, _ bounds: ConnectionRoom.Bounds) -> Bool {
    guard bounds.client > 0 else { return isTaken }
    guard isTaken, self.client == nil, seats.room.name(client, bounds) else { return false }
    self.client = client
    return true
  }

  mutating func leave() {
    guard isTaken else { return }
    isTaken = false
    seats.room.leave(client)
  }
}

extension PeerAddress {
  /// Whoever the address stands for where clients are counted.
  var client: ClientAddress { ClientAddress(high: high, low: low) }
}
