/// Rooms in which each gives shares of its own: what somebody takes in one of them takes nothing away in another.
///
/// A room in which nobody holds anything is not known, so there are at most as many as there are places to be had.
package struct FairRooms<Room: Hashable & Sendable, Holder: Hashable & Sendable>: Sendable {
  private var rooms: [Room: FairShares<Holder>] = [:]
  private let single: Int

  /// - Parameter single: what one alone may have in one room.
  package init(single: Int) { self.single = single }

  package func taken(in room: Room) -> Int { rooms[room]?.taken ?? 0 }
  package var count: Int { rooms.count }

  /// Whether `holder` has got one more place.
  package mutating func take(in room: Room, for holder: Holder) -> Bool {
    var shares = rooms[room] ?? FairShares(single: single)
    guard shares.grants(to: holder) else { return false }
    // So that it is not copied for want of being the only one.
    rooms[room] = nil
    shares.take(for: holder)
    rooms[room] = shares
    return true
  }

  package mutating func give(in room: Room, from holder: Holder) {
    guard var shares = rooms.removeValue(forKey: room) else { return }
    shares.give(from: holder)
    if shares.taken > 0 { rooms[room] = shares }
  }
}
