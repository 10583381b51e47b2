import Configuration
import HTTP
import Proxy
import Routing
import Tokens

/// What routes of a snapshot have in common, each made once: ten thousand of them ask a few different things.
struct SharedRouteParts {
  private struct AccessKey: Hashable {
    let providers: [Int]
    let rule: AuthorizationRule
  }

  private let providers: [IdentityProviderSettings]
  private let removed: [TokenSource]
  private let removedNames: FieldNameSet
  private let keyNames: FieldNameSet
  private var accesses: [AccessKey: RouteAccess] = [:]
  private var backends: [[[Int]]: [(index: Int, upTo: Int)]] = [:]

  init(_ configuration: GatewayConfiguration) {
    providers = configuration.identityProviders
    var removed: [TokenSource] = []
    for source in providers.flatMap(Self.sources) where !removed.contains(source) { removed.append(source) }
    // A proof is for whoever checks it.
    if removed.contains(.dpop) { removed.append(.field(name: Array("dpop".utf8), scheme: nil)) }
    self.removed = removed
    removedNames = TokenSource.fieldNames(removed)
    keyNames = TokenSource.fieldNames(providers.filter { $0.apiKeyFile != nil }.flatMap(Self.sources))
  }

  mutating func access(_ settings: RouteSettings) -> RouteAccess {
    let key = AccessKey(providers: settings.providers, rule: settings.authorization)
    if let made = accesses[key] { return made }
    let access = RouteAccess(
      index: accesses.count, providers: ProviderSet(settings.providers), places: places(settings.providers),
      removedSources: removed,
      removedNames: removedNames, keyNames: keyNames, rule: settings.authorization)
    accesses[key] = access
    return access
  }

  /// Each place once, with those of the providers that look there.
  private func places(_ indexes: [Int]) -> [TokenPlace] {
    var sources: [TokenSource] = []
    var lookers: [[Int]] = []
    for index in indexes {
      for source in Self.sources(providers[index]) {
        if let known = sources.firstIndex(of: source) {
          if lookers[known].last != index { lookers[known].append(index) }
        } else {
          sources.append(source)
          lookers.append([index])
        }
      }
    }
    return zip(sources, lookers).map { source, lookers in
      TokenPlace(source, providers: lookers, origins: lookers.flatMap { providers[$0].origins }.map { Array($0.utf8) })
    }
  }

  mutating func backends(_ settings: RouteSettings) -> [(index: Int, upTo: Int)] {
    let key = settings.backends.map { [$0.backend, $0.weight] }
    if let made = backends[key] { return made }
    let made = Route.sharing(settings.backends.map { ($0.backend, $0.weight) })
    backends[key] = made
    return made
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
        name: FieldName.canonical(name.utf8), scheme: scheme.map { Array($0.lowercased().utf8) })
    }
  }
}
