import Limits
import Testing

struct ClientSharesTests {
  private func origin(_ address: UInt64, _ connection: UInt64 = 0) -> ClientOrigin {
    ClientOrigin(address: ClientAddress(high: 0, low: address), connection: connection)
  }

  /// Takes one after the other for as long as that is allowed.
  private func fill(_ share: inout ClientShares, _ origin: ClientOrigin, atMost limit: Int = .max) -> Int {
    var count = 0
    while count < limit, share.mayTake(origin) {
      share.take(1, for: origin)
      count += 1
    }
    return count
  }

  @Test func `One client has half, the next one half of the rest, and something is left for one more`() {
    var share = ClientShares(capacity: 256, percent: 50)
    #expect(fill(&share, origin(1)) == 128)
    #expect(fill(&share, origin(2)) == 64)
    #expect(fill(&share, origin(3)) == 32)
    #expect(share.mayTake(origin(4)) == true)
    #expect(share.clients == 3)
  }

  @Test func `Many who want little use everything`() {
    var share = ClientShares(capacity: 64, percent: 50)
    for client in 1...64 as ClosedRange<UInt64> { #expect(fill(&share, origin(client), atMost: 1) == 1) }
    #expect(share.held == 64)
    #expect(share.mayTake(origin(65)) == false)
  }

  @Test(arguments: [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)]) func `Half of little is rounded up`(_ capacity: Int, _ half: Int) {
    var share = ClientShares(capacity: capacity, percent: 50)
    #expect(fill(&share, origin(1)) == half)
  }

  @Test func `A connection has half of what its client may have, and the next one finds room`() {
    var share = ClientShares(capacity: 256, percent: 50)
    #expect(fill(&share, origin(1, 1)) == 64)
    #expect(fill(&share, origin(1, 2)) == 32)
    for connection in 3...6 as ClosedRange<UInt64> { #expect(fill(&share, origin(1, connection)) > 0) }
    #expect(share.mayTake(origin(1, 7)) == true)
    #expect(share.amount(of: origin(1).address) <= 128)
    // Another client has what he would have had.
    #expect(fill(&share, origin(2)) >= 64)
  }

  @Test func `The parts of a connection count as parts`() {
    var share = ClientShares(capacity: 4_000, percent: 50)
    var streams = 0
    while share.mayTake(origin(1, 1)) {
      share.take(10, for: origin(1, 1))
      streams += 1
    }
    #expect(streams == 100)
  }

  @Test func `Clients that cannot be told apart have no share, nor has anybody where none is asked for`() {
    var share = ClientShares(capacity: 100, percent: 50)
    #expect(fill(&share, .unknown) == 100)
    var open = ClientShares(capacity: 100, percent: 100)
    #expect(fill(&open, origin(1, 1)) == 100)
  }

  @Test func `What is given back is there again, and nothing is left of those who have nothing`() {
    var share = ClientShares(capacity: 10, percent: 50)
    #expect(fill(&share, origin(1, 9)) == 3)
    #expect(fill(&share, origin(1)) == 2)
    #expect(share.mayTake(origin(1)) == false)
    share.give(1, from: origin(1, 9))
    #expect(share.mayTake(origin(1)) == true)
    share.give(2, from: origin(1, 9))
    share.give(2, from: origin(1))
    #expect(share.held == 0)
    #expect(share.clients == 0)
    #expect(share.amount(ofConnection: origin(1, 9)) == 0)
  }

  @Test func `With less than what is held nobody takes more`() {
    var share = ClientShares(capacity: 10, percent: 50)
    #expect(fill(&share, origin(1)) == 5)
    share.capacity = 4
    #expect(share.mayTake(origin(2)) == false)
  }
}
