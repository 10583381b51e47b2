/// The connections of one listener: how many are open, and how many each client has.
///
/// What was counted is given back, whatever bounds are in force by then: so those that a reload adds or takes
/// away find the count right. A client is not known before a balancer has named it, and counts for nobody until then.
package struct ConnectionRoom: ~Copyable, Sendable {
  package struct Bounds: Equatable, Sendable {
    package let all: Int
    /// For one client; 0 is no bound.
    package let client: Int

    package init(all: Int, client: Int) {
      self.all = all
      self.client = client
    }
  }

  /// Connections that are open.
  package private(set) var open = 0
  private var clients = ClientLedger()

  package init() {}

  /// Connections whose client is known.
  package var named: Int { clients.total }
  package func connections(of client: ClientAddress) -> Int { clients.amount(of: client) }

  /// Lets another one in, and counts it; nil is a client that is still to be named.
  package mutating func admit(_ client: ClientAddress?, _ bounds: Bounds) -> Bool {
    guard open < bounds.all else { return false }
    if let client {
      guard name(client, bounds) else { return false }
    }
    open &+= 1
    return true
  }

  /// Whose the connection is that was let in without a name. False when that client has enough.
  package mutating func name(_ client: ClientAddress, _ bounds: Bounds) -> Bool {
    guard bounds.client == 0 || clients.amount(of: client) < bounds.client else { return false }
    clients.add(1, to: client)
    return true
  }

  /// One that was let in has ended, and was `client`'s if it was anybody's.
  package mutating func leave(_ client: ClientAddress?) {
    open &-= 1
    if let client { clients.remove(1, from: client) }
  }
}
