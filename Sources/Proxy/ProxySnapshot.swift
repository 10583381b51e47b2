import Routing
import Tokens
import Upstream

/// One validated, compiled, immutable configuration, as the data plane sees it. A request lives in one from start to end.
package final class ProxySnapshot: Sendable {
  /// Counts up with every configuration that took effect; 1 is the first.
  package let generation: UInt64
  package let routeTable: RouteTable
  package let routes: [Route]
  package let backends: [Backend]
  package let providers: [IdentityProvider]
  /// Nil when no route authenticates.
  package let minter: InternalTokenMinter?
  /// The internal token's field name in lower case, with `-` for `_`: client copies in any spelling are removed.
  package let tokenFieldName: [UInt8]
  /// The same as it goes to backends, with `: ` behind it.
  package let tokenFieldPrefix: [UInt8]
  /// What was denied when the snapshot was made.
  package let revocations: RevocationList
  package let mergesSlashes: Bool
  package let writesAccessLog: Bool
  /// The internal token's public keys, as served.
  package let publishedKeys: [UInt8]

  package init(
    generation: UInt64, routeTable: RouteTable, routes: [Route], backends: [Backend], providers: [IdentityProvider],
    minter: InternalTokenMinter?, revocations: RevocationList = .none, tokenField: String, mergesSlashes: Bool, writesAccessLog: Bool,
    publishedKeys: [UInt8]
  ) {
    self.generation = generation
    self.routeTable = routeTable
    self.routes = routes
    self.backends = backends
    self.providers = providers
    self.minter = minter
    self.revocations = revocations
    tokenFieldName = tokenField.lowercased().utf8.map { $0 == 0x5f ? 0x2d : $0 }
    tokenFieldPrefix = Array(tokenField.utf8) + [0x3a, 0x20]
    self.mergesSlashes = mergesSlashes
    self.writesAccessLog = writesAccessLog
    self.publishedKeys = publishedKeys
  }
}
