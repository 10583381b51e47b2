/// Rooms with places of their own, as `FairPlaces` gives them: what somebody takes in one of them takes nothing away in another.
///
/// A room in which nobody holds anything is not known, so there are at most as many as there are places to be had.
package struct FairRooms<Room: Hashable & Sendable, Holder: Hashable & Sendable>: Sendable {
  private var rooms: [Room: FairPlaces<Holder>] = [:]
  private let single: Int

  /// - Parameter single: what one alone may have in one room.
  package init(single: Int) { self.single = single }

  package func taken(in room: Room) -> Int { rooms[room]?.taken ?? 0 }
  package var count: Int { rooms.count }

  /// Whether `holder` has got one more place.
  package mutating func take(in room: Room, for holder: Holder) -> Bool {
    var places = rooms[room] ?? FairPlaces(single: single)
    guard places.grants(to: holder) else { return false }
    // So that it is not copied for want of being the only one.
    rooms[room] = nil
    places.take(for: holder)
    rooms[room] = places
    return true
  }

  package mutating func give(in room: Room, from holder: Holder) {
    guard var places = rooms.removeValue(forKey: room) else { return }
    places.give(from: holder)
    if places.taken > 0 { rooms[room] = places }
  }
}
