import Limits
import Testing

struct ClientLedgerTests {
  private func client(_ number: Int) -> ClientAddress { ClientAddress(high: 0, low: 0xffff_0000_0000 | UInt64(number)) }

  @Test func `An IPv4 address is a client, and so is a network of IPv6`() {
    #expect(client(1) != client(2))
    let network = ClientAddress(high: 0x2001_0db8_0000_0001, low: 1)
    #expect(network == ClientAddress(high: 0x2001_0db8_0000_0001, low: .max))
    #expect(network != ClientAddress(high: 0x2001_0db8_0000_0002, low: 1))
    #expect(ClientAddress(high: 0, low: 0).isUnknown)
    #expect(!client(0).isUnknown)
    #expect(!ClientAddress(high: 0, low: 1).isUnknown)
  }

  @Test func `What is added is held until it is removed`() {
    var ledger = ClientLedger()
    #expect(ledger.amount(of: client(1)) == 0)
    ledger.remove(1, from: client(1))
    ledger.add(3, to: client(1))
    ledger.add(2, to: client(2))
    ledger.add(1, to: client(1))
    #expect(ledger.amount(of: client(1)) == 4)
    #expect(ledger.amount(of: client(2)) == 2)
    #expect((ledger.clients, ledger.total) == (2, 6))
    ledger.remove(4, from: client(1))
    #expect(ledger.amount(of: client(1)) == 0)
    #expect((ledger.clients, ledger.total) == (1, 2))
    // More than is held is not taken from anybody else.
    ledger.remove(5, from: client(2))
    ledger.remove(1, from: client(3))
    #expect((ledger.clients, ledger.total) == (0, 0))
    ledger.add(0, to: client(4))
    ledger.add(-1, to: client(4))
    #expect(ledger.clients == 0)
  }

  @Test func `Any sequence has the sums that a dictionary has`() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20 {
      var ledger = ClientLedger()
      var sums: [ClientAddress: Int] = [:]
      for _ in 0..<2_000 {
        let one = client(Int.random(in: 0..<60, using: &generator))
        if Bool.random(using: &generator) {
          let amount = Int.random(in: 1...3, using: &generator)
          ledger.add(amount, to: one)
          sums[one, default: 0] += amount
        } else if let held = sums[one] {
          let amount = Int.random(in: 1...held, using: &generator)
          ledger.remove(amount, from: one)
          sums[one] = held == amount ? nil : held - amount
        }
        #expect(ledger.total == sums.values.reduce(0, +))
      }
      #expect(ledger.clients == sums.count)
      for number in 0..<60 { #expect(ledger.amount(of: client(number)) == sums[client(number), default: 0]) }
    }
  }
}
