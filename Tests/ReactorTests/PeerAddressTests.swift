import Bytes
import Reactor
import Testing

struct PeerAddressTests {
  private func peer(_ literal: String, port: UInt16 = 0) throws -> PeerAddress {
    try #require(SocketAddress(literal: literal, port: port)).peer
  }

  private func text(_ peer: PeerAddress) -> String {
    var queue = ByteQueue()
    peer.append(to: &queue)
    return String(decoding: queue.readable, as: UTF8.self)
  }

  @Test(arguments: [
    // RFC 5952 section 4.1: no leading zeros.
    ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:0:0:0:2:0", "2001:db8::2:0"),
    // 4.2.2: one zero group alone is not shortened.
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"),
    // 4.2.3: the longest run, the first of equals.
    ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    // 4.3: lower case.
    ("2001:DB8::ABCD:EF", "2001:db8::abcd:ef"),
    // At either end, and all of it but one group.
    ("::1", "::1"), ("::1:0", "::1:0"), ("fe80::", "fe80::"), ("1::", "1::"), ("0:0:1::", "0:0:1::"),
    ("1:2:3:4:5:6::", "1:2:3:4:5:6::"),
    ("::3:4:5:6:7:8", "::3:4:5:6:7:8"), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    // IPv4, and IPv4 in IPv6's clothes.
    ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::ffff:192.0.2.1", "192.0.2.1"),
    // Deprecated IPv4-compatible addresses are plain IPv6 here.
    ("::192.0.2.1", "::c000:201"),
  ])
  func `An address is written in its one canonical form`(literal: String, canonical: String) throws {
    #expect(text(try peer(literal)) == canonical)
  }

  @Test func `With its port, IPv6 stands in brackets`() throws {
    #expect(try peer("192.0.2.1", port: 443).description == "192.0.2.1:443")
    #expect(try peer("2001:db8::1", port: 443).description == "[2001:db8::1]:443")
  }

  @Test func `A peer without an address is written as unix`() {
    let peer = PeerAddress()
    #expect(peer.isUnspecified)
    #expect(!peer.isIPv4)
    #expect(text(peer) == "unix")
    #expect(peer.description == "unix")
  }

  @Test(arguments: [
    ("10.1.2.3", "10.0.0.0", 96 + 8, true), ("11.0.0.0", "10.0.0.0", 96 + 8, false), ("10.255.255.255", "10.0.0.0", 96 + 8, true),
    ("192.0.2.1", "192.0.2.1", 128, true), ("192.0.2.2", "192.0.2.1", 128, false), ("192.0.2.0", "192.0.2.1", 127, true),
    ("203.0.113.9", "0.0.0.0", 96, true), ("2001:db8::1", "0.0.0.0", 96, false),
    ("2001:db8::1", "2001:db8::", 32, true), ("2001:db9::1", "2001:db8::", 32, false),
    ("2001:db8:0:1::1", "2001:db8::", 64, false),
    ("2001:db8::ffff:0:0:1", "2001:db8::", 64, true), ("2001:db8::8000:0:0:0", "2001:db8::", 65, false),
    ("2001:db8::7fff:0:0:0", "2001:db8::", 65, true), ("2001:db8::1", "2001:db8::", 63, true),
    ("2001:db8:0:2::1", "2001:db8::", 63, false),
    ("8000::", "::", 1, false), ("7fff::", "::", 1, true), ("ffff::1", "::", 0, true), ("192.0.2.1", "::", 0, true),
  ])
  func `An address lies inside a network or it does not`(address: String, network: String, length: Int, isInside: Bool) throws {
    let network = try peer(network)
    #expect(try peer(address).isInside(high: network.high, low: network.low, prefixLength: length) == isInside)
  }

  @Test func `Peers are equal when address and port are`() throws {
    #expect(try peer("192.0.2.1", port: 1) == peer("::ffff:192.0.2.1", port: 1))
    #expect(try peer("192.0.2.1", port: 1) != peer("192.0.2.1", port: 2))
  }
}
