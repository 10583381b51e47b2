import Limits
import Testing

struct ConnectionRoomTests {
  /// So that what changes it can be expected.
  private final class Room {
    private var room = ConnectionRoom()
    var open: Int { room.open }
    var named: Int { room.named }
    func connections(of client: ClientAddress) -> Int { room.connections(of: client) }
    func admit(_ client: ClientAddress?, _ bounds: ConnectionRoom.Bounds) -> Bool { room.admit(client, bounds) }
    func name(_ client: ClientAddress, _ bounds: ConnectionRoom.Bounds) -> Bool { room.name(client, bounds) }
    func leave(_ client: ClientAddress?) { room.leave(client) }
  }

  private let one = ClientAddress(high: 1 << 61, low: 0)
  private let other = ClientAddress(high: 1 << 62, low: 0)
  private let none = ConnectionRoom.Bounds(all: 10, client: 0)
  private let two = ConnectionRoom.Bounds(all: 10, client: 2)

  @Test func `Nobody has more than the bounds, and who was refused is not counted`() {
    let room = Room()
    for _ in 0..<2 { #expect(room.admit(one, two)) }
    #expect(!room.admit(one, two))
    #expect(room.open == 2 && room.connections(of: one) == 2)
    for _ in 0..<8 { #expect(room.admit(other, none)) }
    #expect(!room.admit(other, none))
    #expect(room.open == 10 && room.connections(of: other) == 8)
  }

  @Test func `A bound that is added finds what is there already, and one that was taken away leaves nothing behind`() {
    let room = Room()
    for _ in 0..<3 { #expect(room.admit(one, none)) }
    #expect(!room.admit(one, two))
    room.leave(one)
    room.leave(one)
    #expect(room.admit(one, two))
    #expect(!room.admit(one, two))
    for _ in 0..<2 { room.leave(one) }
    #expect(room.open == 0 && room.named == 0)
  }

  @Test func `A client counts from when it is named`() {
    let room = Room()
    for _ in 0..<4 { #expect(room.admit(nil, two)) }
    #expect(room.open == 4 && room.named == 0)
    for _ in 0..<2 { #expect(room.name(one, two)) }
    #expect(!room.name(one, two))
    room.leave(nil)
    room.leave(one)
    #expect(room.name(one, two))
    #expect(room.open == 2 && room.named == 2)
  }

  /// Whatever comes and goes, the count is that of those who are there.
  @Test func `Reloads in between leave no remainder`() {
    let room = Room()
    var generator = SystemRandomNumberGenerator()
    var there: [ClientAddress?] = []
    for _ in 0..<10_000 {
      let bounds = [none, two, ConnectionRoom.Bounds(all: 3, client: 1)].randomElement(using: &generator) ?? none
      if Bool.random(using: &generator), let index = there.indices.randomElement(using: &generator) {
        room.leave(there.remove(at: index))
      } else {
        let client = [one, other, nil].randomElement(using: &generator) ?? nil
        if room.admit(client, bounds) { there.append(client) }
      }
      #expect(room.open == there.count)
      #expect(room.connections(of: one) == there.count { $0 == one })
    }
    for client in there { room.leave(client) }
    #expect(room.open == 0 && room.named == 0)
  }
}
