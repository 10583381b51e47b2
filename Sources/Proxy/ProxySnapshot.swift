import HTTP
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
  /// As they were when the snapshot was made; `WorkerSnapshot` has those of now.
  package let internalTokens: InternalTokens
  /// The field that carries the internal token to each backend, by the backend's index.
  package let tokenFields: [[UInt8]]
  /// All of these, and what else clients may not write: removed whichever backend a request goes to.
  package let reservedNames: ReservedNames
  /// What was denied when the snapshot was made.
  package let revocations: RevocationList
  package let pathRules: PathRules
  package let writesAccessLog: Bool
  /// Bytes that content gathered by one worker may take up.
  package let gatheredLimit: Int

  /// - Parameter tokenFields: by the backend's index.
  package init(
    generation: UInt64, routeTable: RouteTable, routes: [Route], backends: [Backend], providers: [IdentityProvider],
    internalTokens: InternalTokens, revocations: RevocationList = .none, tokenFields: [String], pathRules: PathRules,
    writesAccessLog: Bool, gatheredLimit: Int
  ) {
    self.generation = generation
    self.routeTable = routeTable
    self.routes = routes
    self.backends = backends
    self.providers = providers
    self.internalTokens = internalTokens
    self.revocations = revocations
    self.tokenFields = tokenFields.map { Array($0.utf8) }
    reservedNames = ReservedNames(tokens: FieldNameSet(self.tokenFields), deciding: routeTable.decidingNames)
    self.pathRules = pathRules
    self.writesAccessLog = writesAccessLog
    self.gatheredLimit = gatheredLimit
  }
}
