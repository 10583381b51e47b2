import JSON
import Routing

/// A row of the route table as requests use it: who may pass, where to, with which bounds. Immutable, shared by workers.
package final class Route: Sendable {
  package let name: String
  /// The route's place in its snapshot's list.
  package let index: Int
  /// The route's id in the metrics, stable across reloads.
  package let metricID: Int
  /// Bit n: identity provider n of the snapshot may vouch for a client. 0 is a public route.
  package let providers: UInt64
  /// Where its providers look for a token, without repetition.
  package let tokenSources: [TokenSource]
  /// Where any provider looks for one: what stands there is not forwarded, on a public route neither.
  package let removedSources: [TokenSource]
  /// Where any provider looks for API keys: they are never forwarded.
  package let keySources: [TokenSource]
  /// Some source is a cookie, so `Cookie` fields are looked through before they are forwarded.
  package let removesCookies: Bool
  /// What stands before a token among a WebSocket's subprotocols; empty when no provider looks there.
  package let subprotocolMarkers: [[UInt8]]
  /// Some source is a parameter of the query, which is then taken out.
  package let queryParameters: [[UInt8]]
  /// Some provider takes DPoP proofs: clients without one are told.
  package let acceptsProofs: Bool
  /// Other sites that may send requests which a cookie vouches for, as `Origin` has them.
  package let origins: [[UInt8]]
  package let rule: AuthorizationRule
  /// The scopes the rule names at its top, space-separated, for the `scope` attribute of RFC 6750 section 3.
  package let requiredScopes: [UInt8]
  /// Backends by index in the snapshot, with running totals of their weights.
  package let backends: [(index: Int, upTo: Int)]
  /// Taken off the front of the path before forwarding; empty takes nothing.
  package let stripPrefix: [UInt8]
  /// Milliseconds from the request's end to the response's end; 0 leaves it to the backend's time-outs.
  package let timeout: Int
  /// Bytes of content a request may have.
  package let bodyMaximum: UInt64
  package let forwardsAccessToken: Bool
  /// A response or WebSocket ends when its access token does.
  package let endsAtExpiry: Bool
  /// What a Txn-Token's `tctx` says of the route: its name and its path as it is written, as JSON members.
  package let transactionContext: [UInt8]

  package init(
    name: String, index: Int, metricID: Int, providers: UInt64, tokenSources: [TokenSource],
    removedSources: [TokenSource], keySources: [TokenSource] = [], rule: AuthorizationRule,
    requiredScopes: [UInt8], backends: [(index: Int, weight: Int)], stripPrefix: [UInt8], timeout: Int, bodyMaximum: UInt64,
    forwardsAccessToken: Bool, endsAtExpiry: Bool = false, origins: [[UInt8]] = [], path: String = "/**"
  ) {
    self.name = name
    self.index = index
    self.metricID = metricID
    self.providers = providers
    self.tokenSources = tokenSources
    self.removedSources = removedSources
    self.keySources = keySources
    removesCookies = removedSources.contains { if case .cookie = $0 { true } else { false } }
    subprotocolMarkers = removedSources.compactMap { if case .subprotocol(let marker) = $0 { marker } else { nil } }
    queryParameters = removedSources.compactMap { if case .query(let name) = $0 { name } else { nil } }
    acceptsProofs = tokenSources.contains(.dpop)
    self.origins = origins
    self.rule = rule
    self.requiredScopes = requiredScopes
    var total = 0
    self.backends = backends.map { backend in
      total += backend.weight
      return (backend.index, total)
    }
    self.stripPrefix = stripPrefix
    self.timeout = timeout
    self.bodyMaximum = bodyMaximum
    self.forwardsAccessToken = forwardsAccessToken
    self.endsAtExpiry = endsAtExpiry
    transactionContext =
      Array(#","route":"#.utf8) + JSONWriter.bytes(JSONValue(text: name)) + Array(#","path":"#.utf8)
      + JSONWriter.bytes(JSONValue(text: path))
  }

  /// The backend for a request that drew `random`, by weight.
  package func backend(drawing random: @autoclosure () -> UInt64) -> Int {
    guard backends.count > 1, let total = backends.last?.upTo else { return backends[0].index }
    let point = Int(random() % UInt64(total))
    for backend in backends where point < backend.upTo { return backend.index }
    return backends[0].index
  }
}
