/// What stands for one client where clients have shares: an IPv4 address, or the /64 network that an IPv6 address lies in, since whoever
/// has one of its addresses has them all. IPv4 stands as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
package struct ClientAddress: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64

  /// The halves of an address of 128 bits; all zeros is nobody's.
  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = high == 0 ? low : 0
  }

  /// Somebody without an address, such as the peer of a Unix socket: clients that cannot be told apart have no share.
  package static let unknown = ClientAddress(high: 0, low: 0)
  package var isUnknown: Bool { high == 0 && low == 0 }
}
