import HTTP
import Routing
import Yams

/// Puts the sections of all files together, decodes them, and checks what concerns more than one of them.
struct ConfigurationAssembler {
  private static let once = [
    "process", "access_log", "admin", "internal_token", "merge_slashes", "path_parameters", "revocation",
  ]
  private static let lists = ["listeners", "identity_providers", "backends", "routes"]
  private static let bounds = [
    "listeners": ListBounds.listeners, "identity_providers": ListBounds.identityProviders, "backends": ListBounds.backends,
    "routes": ListBounds.routes,
  ]

  private let collector: DiagnosticCollector
  private var sections: [String: Cursor] = [:]
  private var rows: [String: [Cursor]] = [:]
  /// Whether every file's sections could be told apart; if not, none is said to be missing.
  private var isSectioned = true

  init(_ collector: DiagnosticCollector) { self.collector = collector }

  // MARK: - Merging

  mutating func add(_ root: Node, _ file: Cursor.File) {
    guard let values = Cursor(root, file).mapping(Self.lists + Self.once) else {
      isSectioned = false
      return
    }
    if !values.misspelt.isEmpty { isSectioned = false }
    for key in Self.once {
      guard let cursor = values[key] else { continue }
      if let first = sections[key] {
        cursor.report("`\(key)` is already written at \(first.location): keep one")
      } else {
        sections[key] = cursor
      }
    }
    for key in Self.lists {
      guard let cursor = values[key] else { continue }
      if let list = cursor.list("{ name: … }", mayBeEmpty: true, maximum: .max) {
        rows[key, default: []] += list
      } else {
        isSectioned = false
      }
    }
  }

  // MARK: - Decoding

  /// The configuration, complete only when the collector is empty.
  ///
  /// - Parameter workers: how many there will be, or are.
  func assemble(_ start: SourceLocation, workers: DoubtfulPairs.Workers) -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    if let cursor = sections["process"] { configuration.process = ProcessDecoder.process(cursor) }
    if let cursor = sections["access_log"] { ProcessDecoder.accessLog(cursor, &configuration) }
    configuration.pathRules.mergesSlashes = sections["merge_slashes"]?.boolean() ?? false
    configuration.pathRules.allowsParameters = sections["path_parameters"]?.word([("refuse", false), ("allow", true)]) ?? false
    configuration.admin = sections["admin"].flatMap(ProcessDecoder.admin)
    configuration.internalToken = sections["internal_token"].flatMap(InternalTokenDecoder.decode)
    configuration.revocation = sections["revocation"].flatMap(RevocationDecoder.decode) ?? RevocationSettings()
    configuration.listeners = decode("listeners", ListenerDecoder.decode)
    configuration.identityProviders = decode("identity_providers", IdentityProviderDecoder.decode)
    configuration.backends = decode("backends", BackendDecoder.decode)
    let decoder = RouteDecoder(
      providers: names("identity_providers"),
      marks: Dictionary(
        configuration.identityProviders.map { provider in
          let audiences = provider.audienceClaim == nil || provider.audiences.isEmpty ? nil : Set(provider.audiences)
          return (
            provider.name.value,
            ProviderMark(issuer: provider.issuer.value, audiences: audiences, audienceClaim: provider.audienceClaim)
          )
        }, uniquingKeysWith: { $1 }),
      backends: names("backends"),
      ownFields: configuration.internalToken.map { token in
        [token.header] + configuration.backends.map { token.applying($0.internalToken).header }
      } ?? [],
      tokenFields: configuration.identityProviders.flatMap { provider in
        provider.tokenFrom.compactMap { if case .header(let name, _) = $0 { name } else { nil } }
      })
    configuration.routes = decode("routes", decoder.decode)
    for key in Self.lists {
      checkNames(key)
      checkBound(key)
    }
    check(configuration, start)
    if collector.isEmpty {
      DoubtfulPairs(configuration: configuration, sections: sections, rows: rows, workers: workers, collector: collector).check()
    }
    return configuration
  }

  private func decode<Settings>(_ key: String, _ row: (Cursor) -> Settings?) -> [Settings] {
    (rows[key] ?? []).compactMap(row)
  }

  /// The names of a list's rows, those included whose other values are wrong, so that one mistake is reported once.
  private func names(_ key: String) -> [String] { located(key).map(\.value) }

  private func located(_ key: String) -> [Located<String>] {
    (rows[key] ?? []).compactMap { row in
      guard case .mapping(let mapping) = row.node, let node = mapping["name"], case .scalar(let scalar) = node else { return nil }
      let text = try? EnvironmentSubstitution.apply(scalar.string, row.file.environment)
      return text.map { Located($0, at: Cursor(node, row.file).location) }
    }
  }

  /// Lists of several files are one: their rows are counted together.
  private func checkBound(_ key: String) {
    guard let rows = rows[key], let bound = Self.bounds[key], rows.count > bound else { return }
    rows[bound].report("there are \(rows.count) `\(key)`: write \(bound) at most, this one is the first too many")
  }

  private func checkNames(_ key: String) {
    let noun = ["listeners": "listener", "identity_providers": "identity provider", "backends": "backend"][key] ?? "route"
    var places: [String: SourceLocation] = [:]
    for name in located(key) {
      if let first = places[name.value] {
        collector.report(name.location, "the \(noun) `\(name.value)` is already defined at \(first): write another name")
      } else {
        places[name.value] = name.location
      }
    }
  }

  // MARK: - Checking across sections

  private func check(_ configuration: GatewayConfiguration, _ start: SourceLocation) {
    for key in ["listeners", "routes"] where isSectioned && (rows[key] ?? []).isEmpty {
      collector.report(start, "there are no `\(key)`: write one at least")
    }
    checkAddresses(configuration)
    checkInternalToken(configuration)
    checkPaths(configuration)
    OpaqueProviderDecoder.check(configuration, collector)
    checkLogout(configuration)
  }

  /// A route that no request can reach is a mistake.
  private func checkPaths(_ configuration: GatewayConfiguration) {
    guard !configuration.pathRules.allowsParameters else { return }
    for route in configuration.routes {
      for path in [route.match.path, route.stripPrefix].compactMap({ $0 }) where (try? RoutePattern(path))?.hasParameters == true
      {
        collector.report(
          route.location, "no request path is `\(path)`, for its `;`: write `path_parameters: allow`, or another path")
      }
    }
  }

  private func checkLogout(_ configuration: GatewayConfiguration) {
    let provider = configuration.identityProviders.first { $0.logout != nil }
    let listener = configuration.listeners.first(where: \.servesLogout)
    if let provider, listener == nil {
      collector.report(
        provider.name.location,
        "`\(provider.name.value)` has `backchannel_logout`, and no listener takes it: write a listener with `serve: logout`")
    }
    if let listener, provider == nil, (rows["identity_providers"] ?? []).count == configuration.identityProviders.count {
      collector.report(
        listener.name.location, "`serve: logout` has nobody to listen to: write `backchannel_logout: {}` in an identity provider")
    }
  }

  private func checkAddresses(_ configuration: GatewayConfiguration) {
    var places: [(address: SocketAddressSettings, location: SourceLocation)] = []
    let addresses = configuration.listeners.map(\.address) + [configuration.admin?.address].compactMap { $0 }
    for address in addresses {
      if case .tcp(_, let port) = address.value, port == 0 { continue }
      if let first = places.first(where: { $0.address == address.value }) {
        collector.report(address.location, "the address is already used at \(first.location): write another")
      } else {
        places.append((address.value, address.location))
      }
    }
  }

  private func checkInternalToken(_ configuration: GatewayConfiguration) {
    if let token = configuration.internalToken {
      checkInternalToken(token, configuration)
    } else if sections["internal_token"] == nil {
      let first = (rows["routes"] ?? []).first { row in
        if case .mapping(let mapping) = row.node, case .sequence? = mapping["authenticate"] { true } else { false }
      }
      if let first {
        first.report("`internal_token` is missing, and this route authenticates: write it, so that the backend learns who calls")
      }
    }
    if configuration.internalToken == nil, sections["internal_token"] == nil,
      let backend = configuration.backends.first(where: { $0.internalToken != nil })
    {
      collector.report(backend.name.location, "the backend's `internal_token` changes nothing: write a section `internal_token`")
    }
    if configuration.internalToken == nil, let jwks = configuration.listeners.first(where: \.servesJWKS),
      sections["internal_token"] == nil
    {
      collector.report(jwks.name.location, "`serve: jwks` has no keys to serve: write `internal_token`")
    }
  }

  private func checkInternalToken(_ token: InternalTokenSettings, _ configuration: GatewayConfiguration) {
    let resolved = [token] + configuration.backends.map { token.applying($0.internalToken) }
    for provider in configuration.identityProviders {
      for case .header(let name, _) in provider.tokenFrom where resolved.contains(where: { FieldNameDecoder.isSame(name, $0.header) }) {
        collector.report(
          provider.name.location,
          "`\(provider.name.value)` reads access tokens from `\(name)`, the internal token's header: write another name")
      }
    }
    var reported: Set<SourceLocation> = []
    for settings in resolved {
      if let domain = settings.trustDomain, !resolved.contains(where: { $0.trustDomain == domain && $0.profile == .transaction }),
        reported.insert(domain.location).inserted
      {
        collector.report(domain.location, "`trust_domain` is for `profile: transaction`: write that, or leave it out")
      }
      if let algorithm = settings.algorithm, reported.insert(algorithm.location).inserted, !token.signingKeys.isEmpty,
        !token.signingKeys.contains(where: { $0.algorithm == algorithm && $0.state == .active })
      {
        collector.report(
          algorithm.location, "no signing key for `\(algorithm.value)` is `active`: write one under `signing_keys`")
      }
    }
  }
}
