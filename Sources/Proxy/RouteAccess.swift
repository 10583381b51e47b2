import HTTP
import Routing
import Tokens

/// Who may pass a route, and where it looks for their tokens. Immutable; routes that ask the same share one, which then stays in
/// the processor's cache, and what a token was told by one of them holds for all.
package final class RouteAccess: Sendable {
  /// Its place among those of its snapshot.
  package let index: Int
  /// Identity providers of the snapshot that may vouch for a client. Empty: a public route.
  package let providers: ProviderSet
  /// Where its providers look for a token, each place once, with those who look there.
  package let places: [TokenPlace]
  /// Where any provider looks for one: what stands there is not forwarded, on a public route neither.
  package let removedSources: [TokenSource]
  /// The fields among them.
  package let removedNames: FieldNameSet
  /// Fields where any provider looks for API keys: they are never forwarded.
  package let keyNames: FieldNameSet
  /// Some source is a cookie, so `Cookie` fields are looked through before they are forwarded.
  package let removesCookies: Bool
  /// What stands before a token among a WebSocket's subprotocols; empty when no provider looks there.
  package let subprotocolMarkers: [[UInt8]]
  /// Some source is a parameter of the query, which is then taken out.
  package let queryParameters: [[UInt8]]
  /// Some provider takes DPoP proofs: clients without one are told.
  package let acceptsProofs: Bool
  package let rule: AuthorizationRule
  /// The scopes the rule names at its top, space-separated, for the `scope` attribute of RFC 6750 section 3.
  package let requiredScopes: [UInt8]

  package init(
    index: Int, providers: ProviderSet, places: [TokenPlace], removedSources: [TokenSource],
    removedNames: FieldNameSet, keyNames: FieldNameSet = FieldNameSet([]), rule: AuthorizationRule = .everyone
  ) {
    self.index = index
    self.providers = providers
    self.places = places
    self.removedSources = removedSources
    self.removedNames = removedNames
    self.keyNames = keyNames
    removesCookies = removedSources.contains { if case .cookie = $0 { true } else { false } }
    subprotocolMarkers = removedSources.compactMap { if case .subprotocol(let marker) = $0 { marker } else { nil } }
    queryParameters = removedSources.compactMap { if case .query(let name) = $0 { name } else { nil } }
    acceptsProofs = places.contains { $0.source == .dpop }
    self.rule = rule
    requiredScopes = Self.scopes(rule)
  }

  /// The scopes that a rule asks for whatever else it says.
  private static func scopes(_ rule: AuthorizationRule) -> [UInt8] {
    switch rule {
    case .scopes(let names): return Array(names.joined(separator: [0x20]))
    case .all(let rules): return Array(rules.map(scopes).filter { !$0.isEmpty }.joined(separator: [0x20]))
    default: return []
    }
  }
}
