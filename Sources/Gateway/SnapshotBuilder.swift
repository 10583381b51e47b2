import Configuration
import Foundation
import Proxy
import Reactor
import Routing
import TLS
import Telemetry
import Tokens
import Upstream

/// Makes a snapshot of a configuration: loads what it names, checks it, compiles it. Collects every error it meets, so
/// that one look shows them all. Blocks on files and on names; for the control thread.
package final class SnapshotBuilder {
  private let names: MetricNames
  private let tickets: TicketKeyRing
  private let workers: Int
  /// Nil where nothing is fetched: `gatehouse check`.
  private let remoteKeys: RemoteKeySets?
  private var diagnostics: [Diagnostic] = []
  private var warnings: [String] = []
  private var certificates: [(name: String, notAfter: Int64)] = []
  /// Endpoints of the snapshots before, by address: they keep the addresses they were resolved to.
  private var endpoints: [String: Endpoint] = [:]

  /// - Parameters:
  ///   - names: gives metric ids that survive reloads.
  ///   - tickets: the session-ticket keys, shared by all snapshots.
  ///   - workers: limits are shared out among so many.
  ///   - remoteKeys: the key sets that are fetched.
  package init(names: MetricNames, tickets: TicketKeyRing, workers: Int, remoteKeys: RemoteKeySets? = nil) {
    self.remoteKeys = remoteKeys
    self.names = names
    self.tickets = tickets
    self.workers = max(1, workers)
  }

  package enum Result {
    case built(BuiltSnapshot)
    case rejected([Diagnostic])
  }

  /// Reads `path` and builds what it says.
  package func build(path: String, generation: UInt64) -> Result {
    switch ConfigurationLoader.load(path: path, environment: ProcessInfo.processInfo.environment) {
    case .rejected(let diagnostics): return .rejected(diagnostics)
    case .loaded(let loaded): return build(loaded, generation: generation)
    }
  }

  private func build(_ loaded: LoadedConfiguration, generation: UInt64) -> Result {
    diagnostics = []
    warnings = []
    certificates = []
    remoteKeys?.beginClaims()
    let configuration = loaded.configuration
    let listeners = configuration.listeners.compactMap { listener($0) }
    let providers = configuration.identityProviders.compactMap { provider($0) }
    let signing = internalToken(configuration.internalToken)
    let backends = configuration.backends.enumerated().compactMap { backend($0.element, index: $0.offset) }
    guard diagnostics.isEmpty else { return .rejected(diagnostics) }
    let routes = configuration.routes.enumerated().map { route($0.element, index: $0.offset, configuration) }
    let proxy = ProxySnapshot(
      generation: generation, routeTable: loaded.routes, routes: routes, backends: backends, providers: providers,
      minter: signing?.minter, tokenField: configuration.internalToken?.header ?? "X-Internal-Token",
      mergesSlashes: configuration.mergeSlashes, writesAccessLog: configuration.accessLog != .off,
      publishedKeys: signing?.published.json ?? Array("{\"keys\":[]}".utf8))
    return .built(
      BuiltSnapshot(
        proxy: proxy, configuration: configuration, listeners: listeners, files: loaded.files, sha256: loaded.sha256,
        certificates: certificates,
        namedEndpoints: backends.flatMap(\.endpoints).filter {
          SocketAddress(literal: $0.host, port: 0) == nil && !$0.host.isEmpty
        },
        warnings: warnings))
  }

  private func refuse(_ location: SourceLocation, _ message: String) {
    diagnostics.append(Diagnostic(location, message))
  }

  private func read(_ file: Located<String>, _ what: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: file.value) else {
      refuse(
        file.location,
        "\(what) \(file.value) cannot be read: \(FileManager.default.fileExists(atPath: file.value) ? "permission denied" : "no such file")"
      )
      return nil
    }
    return [UInt8](data)
  }

  // MARK: TLS

  private func chain(_ settings: CertificateSettings) -> CertificateChain? {
    do throws(TLSConfigurationError) {
      let chain = try CertificateChain(certificate: settings.certificate.value, key: settings.key.value)
      certificates.append((settings.certificate.value, chain.notAfter))
      if chain.isExpired(at: Int64(Date().timeIntervalSince1970)) {
        warnings.append("\(settings.certificate.location): the certificate \(settings.certificate.value) has expired")
      }
      return chain
    } catch {
      refuse(settings.certificate.location, error.message)
      return nil
    }
  }

  private func authorities(_ file: Located<String>) -> CertificateAuthorities? {
    do throws(TLSConfigurationError) {
      return try CertificateAuthorities(path: file.value)
    } catch {
      refuse(file.location, error.message)
      return nil
    }
  }

  private func edgeTLS(_ settings: ListenerTLSSettings, _ name: Located<String>) -> ServerTLSContext? {
    let chains = settings.certificates.compactMap { chain($0) }
    guard chains.count == settings.certificates.count else { return nil }
    var authentication = ClientAuthentication.none
    if let file = settings.clientCA {
      guard let authorities = authorities(file) else { return nil }
      switch settings.clientAuth {
      case .none: break
      case .optional: authentication = .optional(authorities)
      case .required: authentication = .required(authorities)
      }
    }
    do throws(TLSConfigurationError) {
      return try ServerTLSContext(
        certificates: chains, minimumVersion: settings.minimumVersion == .tls13 ? .tls13 : .tls12,
        protocols: [.h2, .http1_1], clientAuthentication: authentication, ticketKeys: tickets)
    } catch {
      refuse(name.location, error.message)
      return nil
    }
  }

  private func security(_ settings: ListenerSettings) -> ListenerContext.Security? {
    switch settings.security {
    case .tls(let tls): return edgeTLS(tls, settings.name).map { .tls($0) }
    case .plaintext(.redirect(let port)): return .plaintext(.redirects(port: port))
    case .plaintext(.serve):
      warnings.append(
        "\(settings.name.location): listener \(settings.name.value) serves without TLS: whoever can listen on its network can read "
          + "access tokens and use them")
      return .plaintext(.serves)
    }
  }

  private func listener(_ settings: ListenerSettings) -> BuiltListener? {
    guard let security = security(settings) else { return nil }
    let limits = settings.limits
    let context = ListenerContext(
      name: settings.name.value, security: security, expectsProxyHeader: settings.proxyProtocol, headerBytes: limits.headerBytes,
      headerCount: min(limits.headerCount, Exchange.fieldCapacity), uriBytes: limits.uriBytes, streams: limits.streams,
      connectionLimit: share(limits.connections), perClientLimit: limits.connectionsPerClient,
      handshakeTimeout: settings.timeouts.handshake, headerTimeout: settings.timeouts.header, idleTimeout: settings.timeouts.idle,
      bodyTimeout: settings.timeouts.body,
      trusted: settings.trustedProxies.map { network in
        let halves = network.bytes.withUnsafeBytes { raw in
          (
            UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
            UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
          )
        }
        return (halves.0, halves.1, network.prefixLength)
      }, servesKeys: settings.servesJWKS)
    return BuiltListener(context: context, address: settings.address.value, location: settings.address.location)
  }

  /// One worker's part of a limit that holds for all of them together.
  private func share(_ limit: Int) -> Int { max(1, (limit + workers - 1) / workers) }

  // MARK: Tokens

  private func provider(_ settings: IdentityProviderSettings) -> IdentityProvider? {
    let algorithms = settings.algorithms.compactMap { JOSEAlgorithm($0.value) }
    let secret = settings.secret.map { (bytes: $0.value, algorithms: algorithms) }
    var keySet: KeySet?
    var remote: RemoteKeys?
    if let settings = settings.remoteKeys {
      guard let source = remoteSource(settings, metricName: settings.provider, secret) else { return nil }
      let trust = source.authorities?.fingerprint.map { String($0, radix: 16) }.joined() ?? "system"
      let identity = [settings.provider, settings.text, trust, secret.map { "\($0.bytes)" } ?? "", "\(algorithms)"]
      (remote, keySet) = remoteKeys?.claim(settings.provider, identity, source) ?? (nil, nil)
    }
    do throws(KeySetError) {
      if let file = settings.jwksFile {
        guard let bytes = read(file, "the key set") else { return nil }
        let parsed = try KeySet.parse(bytes)
        for note in parsed.skipped { warnings.append("\(file.location): \(file.value): \(note); skipped") }
        keySet = parsed
      }
      if let secret, remote == nil {
        keySet = try KeySet(published: keySet, secret: secret.bytes, algorithms: secret.algorithms)
      }
    } catch {
      let place = settings.jwksFile?.location ?? settings.name.location
      refuse(place, "\(settings.jwksFile?.value ?? "secret"): \(error.description)")
      return nil
    }
    return IdentityProvider(
      name: settings.name.value, issuer: settings.issuer.value, audiences: settings.audiences, algorithms: algorithms,
      leeway: Int64(settings.leeway / 1000), tokenTypes: settings.tokenTypes,
      requiredClaims: settings.requiredClaims.map { IdentityProvider.RequiredClaim(path: $0.claim, values: $0.values) },
      maximumTokenBytes: settings.maximumTokenBytes, proof: Self.proof(settings.proof), keySet: keySet, remote: remote)
  }

  private static func proof(_ settings: ProofSettings) -> ProofRules {
    var rules = ProofRules()
    rules.certificate = settings.certificate == .required ? .required : .optional
    rules.dpop = settings.dpop.map { $0 == .required ? .required : .optional }
    rules.needsNonce = settings.needsNonce
    rules.lifetime = Int64(settings.lifetime / 1000)
    return rules
  }

  private func remoteSource(
    _ settings: RemoteKeysSettings, metricName: String, _ secret: (bytes: [UInt8], algorithms: [JOSEAlgorithm])?
  ) -> RemoteKeySet.Source? {
    var authorities: CertificateAuthorities?
    if let file = settings.ca {
      guard let read = self.authorities(file) else { return nil }
      authorities = read
    }
    let place: RemoteKeySet.Source.Place =
      switch settings.place {
      case .url(let url): .url(url)
      case .discovery(let issuer, let url): .discovery(issuer: issuer, url)
      }
    return RemoteKeySet.Source(
      place: place, authorities: authorities,
      bounds: KeySetRefresher.Bounds(
        refresh: UInt64(settings.refresh), cooldown: UInt64(settings.cooldown), maximumAge: UInt64(settings.maximumAge)),
      secret: secret, metricID: names.id(of: metricName, in: .provider))
  }

  private func internalToken(_ settings: InternalTokenSettings?) -> (minter: InternalTokenMinter, published: PublishedKeySet)? {
    guard let settings else { return nil }
    var keys: [SigningKey] = []
    for key in settings.signingKeys {
      guard let pem = read(key.key, "the signing key") else { continue }
      guard let algorithm = JOSEAlgorithm(key.algorithm.value) else { continue }
      let state: SigningKey.State =
        switch key.state {
        case .active: .active
        case .next: .next
        case .retired: .retired
        }
      do throws(KeySetError) {
        keys.append(try SigningKey(kid: key.kid.value, algorithm: algorithm, pem: pem, state: state))
      } catch {
        refuse(key.key.location, "\(key.key.value): \(error.description)")
      }
    }
    guard keys.count == settings.signingKeys.count else { return nil }
    do throws(KeySetError) {
      let set = try SigningKeySet(keys)
      let published = PublishedKeySet(set)
      // Two implementations must accept what each key signs, against what is published, or the key signs nothing.
      try KeyCrossCheck.run(set, published: published)
      let minter = try InternalTokenMinter(
        keys: set, issuer: settings.issuer, ttl: Int64(settings.ttl / 1000), claims: settings.claims)
      return (minter, published)
    } catch {
      refuse(settings.location, "internal_token: \(error.description)")
      return nil
    }
  }

  // MARK: Backends and routes

  private func backend(_ settings: BackendSettings, index: Int) -> Backend? {
    guard let chain = chain(settings.tls.certificate), let authorities = authorities(settings.tls.ca) else { return nil }
    let identities = settings.tls.identities.map(\.value)
    let protocols: Backend.Protocols
    let offered: [ApplicationProtocol]
    switch settings.protocols {
    case .automatic: (protocols, offered) = (.automatic, [.h2, .http1_1])
    case .http1: (protocols, offered) = (.http1, [.http1_1])
    case .http2: (protocols, offered) = (.http2, [.h2])
    }
    let tls: ClientTLSContext
    do throws(TLSConfigurationError) {
      tls = try ClientTLSContext(
        certificate: chain, authorities: authorities, serverName: settings.tls.serverName?.value, identities: identities,
        protocols: offered)
    } catch {
      refuse(settings.name.location, error.message)
      return nil
    }
    let addresses = settings.endpoints.map { endpoint($0, of: settings.name.value) }
    let trust = [
      settings.name.value, settings.tls.serverName?.value ?? "", identities.joined(separator: ","),
      addresses.map(\.name).joined(separator: ","), "\(protocols)",
    ].joined(separator: "\n")
    return Backend(
      name: settings.name.value, index: index, metricID: names.id(of: settings.name.value, in: .backend), endpoints: addresses,
      tls: tls, balance: settings.balance == .roundRobin ? .roundRobin : .leastRequests, protocols: protocols,
      connectTimeout: settings.timeouts.connect, responseTimeout: settings.timeouts.response, idleTimeout: settings.timeouts.idle,
      tunnelTimeout: settings.timeouts.tunnel, connectionLimit: share(settings.limits.connections), pendingLimit: share(settings.limits.pending),
      poolKey: Array(trust.utf8) + [0] + authorities.fingerprint + chain.thumbprint)
  }

  private func endpoint(_ address: Located<SocketAddressSettings>, of backend: String) -> Endpoint {
    let name = address.value.text
    let key = "\(backend)\n\(name)"
    if let known = endpoints[key] { return known }
    let made: Endpoint
    let metricID = names.id(of: name, in: .endpoint)
    switch address.value {
    case .tcp(let host, let port):
      let addresses = SocketAddress.resolve(host: host, port: port)
      if addresses.isEmpty { warnings.append("\(address.location): \(host) does not resolve; trying again in the background") }
      made = Endpoint(name: name, host: host, port: port, metricID: metricID, addresses: addresses)
    case .unix(let path):
      let socket = try? SocketAddress(unixPath: path)
      made = Endpoint(name: name, host: "", port: 0, metricID: metricID, addresses: socket.map { [$0] } ?? [])
    }
    endpoints[key] = made
    return made
  }

  private func route(_ settings: RouteSettings, index: Int, _ configuration: GatewayConfiguration) -> Route {
    var sources: [TokenSource] = []
    for provider in settings.providers {
      for source in Self.sources(configuration.identityProviders[provider]) where !sources.contains(source) { sources.append(source) }
    }
    var removed: [TokenSource] = []
    for source in configuration.identityProviders.flatMap(Self.sources) where !removed.contains(source) { removed.append(source) }
    // A proof is for whoever checks it.
    if removed.contains(.dpop) { removed.append(.field(name: Array("dpop".utf8), scheme: nil)) }
    return Route(
      name: settings.name.value, index: index, metricID: names.id(of: settings.name.value, in: .route),
      providers: ProviderSet(settings.providers).rawValue, tokenSources: sources, removedSources: removed,
      rule: settings.authorization,
      requiredScopes: Self.scopes(settings.authorization), backends: settings.backends.map { ($0.backend, $0.weight) },
      stripPrefix: Array((settings.stripPrefix ?? "").utf8), timeout: settings.timeout ?? 0,
      bodyMaximum: settings.bodyMaximum ?? .max, forwardsAccessToken: settings.forwardAccessToken,
      endsAtExpiry: settings.endAtExpiry,
      origins: settings.providers.flatMap { configuration.identityProviders[$0].origins }.map { Array($0.utf8) })
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
