/// Whose a request is, where clients have shares: a client's address, and within it the connection, where one connection carries many
/// requests at once.
package struct ClientOrigin: Hashable, Sendable {
  package let address: ClientAddress
  /// The number of an HTTP/2 connection that is the client's own; 0 for one that carries one request at a time, and for one of a proxy,
  /// which many clients share.
  package let connection: UInt64

  package init(address: ClientAddress, connection: UInt64 = 0) {
    self.address = address
    self.connection = address.isUnknown ? 0 : connection
  }

  /// The gateway's own requests, and those of clients that cannot be told apart.
  package static let unknown = ClientOrigin(address: .unknown)

  /// The connection as a client's name in a ledger of its own.
  var connectionKey: ClientAddress { ClientAddress(high: 0, low: connection) }
}
