import Bytes
import Reactor
import Testing

@testable import Proxy

@Suite("Connections whose buffers are kept")
struct WarmConnectionsTests {
  private func slot(_ index: Int, generation: UInt32 = 1) -> SlotID { SlotID(index: UInt32(index), generation: generation) }

  @Test("whoever comes when all places are taken has that of the one that came first")
  func oldestGoes() {
    var warm = WarmConnections()
    for index in 0..<WarmConnections.capacity {
      let (place, oldest) = warm.enter(slot(index))
      #expect(place == index && oldest == nil)
    }
    let (place, oldest) = warm.enter(slot(1000))
    #expect(place == 0 && oldest == slot(0))
  }

  @Test("whoever has left is not told")
  func leaving() {
    var warm = WarmConnections()
    for index in 0..<WarmConnections.capacity { _ = warm.enter(slot(index)) }
    warm.leave(0)
    #expect(warm.enter(slot(1000)).oldest == nil)
    #expect(warm.enter(slot(1001)).oldest == slot(1))
  }

  @Test("what is kept of a connection that was forgotten is a slot of an earlier generation, which finds nobody")
  func stale() throws {
    let loop = try EventLoop()
    let first = try Silent(loop)
    let id = try #require(first.slot)
    var warm = WarmConnections()
    _ = warm.enter(id)
    first.close()
    let second = try Silent(loop)
    #expect(second.slot?.index == id.index)
    for index in 1..<WarmConnections.capacity { _ = warm.enter(slot(index + 100)) }
    let oldest = try #require(warm.enter(slot(1000)).oldest)
    #expect(loop.channel(oldest) == nil)
    loop.closeAll()
  }
}

/// A channel that hears nothing.
private final class Silent: Channel {
  init(_ loop: EventLoop) throws {
    super.init(loop: loop, descriptor: try Silent.descriptor())
    try register([])
  }

  private static func descriptor() throws -> Int32 { try Listener.bound(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false) }
}
