/// An amount of memory that many clients use, of which one has at most its share, so that no client can use up what the others need.
///
/// A client may have no more than is free beside it: one alone has half, a second one half of the rest, and what is given back is shared
/// by all who come. Who gets none does without.
package struct SharedMemory: ~Copyable, Sendable {
  /// Bytes that all clients together may use.
  package var limit: Int
  private var held = ClientLedger()

  package init(limit: Int) { self.limit = limit }

  /// Bytes in use.
  package var used: Int { held.total }
  /// Clients that use some.
  package var clients: Int { held.clients }
  package func amount(of client: ClientAddress) -> Int { held.amount(of: client) }

  /// Whether the client may use `bytes` more. Clients that cannot be told apart have no share, and all of it together.
  package func grants(_ bytes: Int, to client: ClientAddress) -> Bool {
    let free = limit &- held.total &- bytes
    if client.isUnknown { return free >= 0 }
    return held.amount(of: client) &+ bytes <= free
  }

  package mutating func take(_ bytes: Int, for client: ClientAddress) { held.add(bytes, to: client) }

  package mutating func give(_ bytes: Int, from client: ClientAddress) { held.remove(bytes, from: client) }
}
