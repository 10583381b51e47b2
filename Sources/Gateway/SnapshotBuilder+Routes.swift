import Configuration
import Proxy
import Routing
import Tokens

/// Routes: what each needs at hand when a request comes.
extension SnapshotBuilder {
  func route(_ settings: RouteSettings, index: Int, _ configuration: GatewayConfiguration) -> Route {
    var sources: [TokenSource] = []
    for provider in settings.providers {
      for source in Self.sources(configuration.identityProviders[provider]) where !sources.contains(source) {
        sources.append(source)
      }
    }
    var removed: [TokenSource] = []
    for source in configuration.identityProviders.flatMap(Self.sources) where !removed.contains(source) { removed.append(source) }
    let keySources = configuration.identityProviders.filter { $0.apiKeyFile != nil }.flatMap(Self.sources)
    // A proof is for whoever checks it.
    if removed.contains(.dpop) { removed.append(.field(name: Array("dpop".utf8), scheme: nil)) }
    return Route(
      name: settings.name.value, index: index, metricID: names.id(of: settings.name.value, in: .route),
      providers: ProviderSet(settings.providers).rawValue, tokenSources: sources, removedSources: removed, keySources: keySources,
      rule: settings.authorization,
      requiredScopes: Self.scopes(settings.authorization), backends: settings.backends.map { ($0.backend, $0.weight) },
      stripPrefix: Array((settings.stripPrefix ?? "").utf8), timeout: settings.timeout ?? 0,
      bodyMaximum: settings.bodyMaximum ?? .max, forwardsAccessToken: settings.forwardAccessToken,
      endsAtExpiry: settings.endAtExpiry,
      origins: settings.providers.flatMap { configuration.identityProviders[$0].origins }.map { Array($0.utf8) },
      path: settings.match.path)
  }

  private static func sources(_ provider: IdentityProviderSettings) -> [TokenSource] {
    provider.tokenFrom.map(source) + (provider.proof.dpop == nil ? [] : [.dpop])
  }

  private static func source(_ settings: TokenSourceSettings) -> TokenSource {
    switch settings {
    case .cookie(let name): return .cookie(name: Array(name.utf8))
    case .subprotocol(let marker): return .subprotocol(marker: Array(marker.utf8))
    case .query(let name): return .query(name: Array(name.utf8))
    case .header(let name, let scheme):
      if name.lowercased() == "authorization", scheme?.lowercased() == "bearer" { return .bearer }
      return .field(
        name: name.lowercased().utf8.map { $0 == 0x5f ? 0x2d : $0 }, scheme: scheme.map { Array($0.lowercased().utf8) })
    }
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
