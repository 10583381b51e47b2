/// An amount of memory that many clients use, of which one has at most its part, so that no client can use up what the others need.
package struct SharedMemory: ~Copyable, Sendable {
  package enum Verdict: Sendable {
    case granted
    /// The client has its part already; there is more for others.
    case clientHasItsPart
    case exhausted
  }

  /// Bytes that all clients together may use.
  package var limit: Int
  private var held = ClientLedger()

  /// One client's part is one of so many.
  private static let parts = 2

  package init(limit: Int) { self.limit = limit }

  /// Bytes in use.
  package var used: Int { held.total }
  /// Clients that use some.
  package var clients: Int { held.clients }

  /// Whether the client may use `bytes` more.
  package func asks(_ bytes: Int, for client: ClientAddress) -> Verdict {
    guard bytes <= limit &- held.total else { return .exhausted }
    if !client.isUnknown, bytes > limit / Self.parts &- held.amount(of: client) { return .clientHasItsPart }
    return .granted
  }

  package mutating func take(_ bytes: Int, for client: ClientAddress) { held.add(bytes, to: client) }

  package mutating func give(_ bytes: Int, from client: ClientAddress) { held.remove(bytes, from: client) }
}
