import CLinux
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
/// that one look shows them all. Blocks on files, not on names; for the control thread. What each part of a configuration becomes
/// stands in a file of its own: `+Listeners`, `+Providers`, `+InternalToken`, `+Backends`, `+Routes`, `+Revocation`.
package final class SnapshotBuilder {
  let names: MetricNames
  let tickets: TicketKeyRing
  /// Limits are shared out among so many: as the first configuration says, for as long as the process lives.
  private(set) var workers = 1
  /// What the names of a start resolve to.
  private(set) var known: [String: [SocketAddress]] = [:]
  private var addressesOfName: (String) -> [SocketAddress] = { _ in [] }
  private var knowsWorkers = false
  /// Nil where nothing is fetched: `gatehouse check`.
  let remoteKeys: RemoteKeySets?
  /// Nil where no list is followed.
  let revocation: RevocationFeeds?
  let introspections: RemoteIntrospections?
  var diagnostics: [Diagnostic] = []
  /// What was published and signed until now: a new configuration is held against it.
  var history = KeyHistory()
  var warnings: [Diagnostic] = []
  var certificates: [(name: String, notAfter: Int64)] = []
  var loaded = LoadedFiles()
  /// Where lines go now. Nil before anything is in force.
  var accessLogInForce: AccessLogSettings?
  /// Endpoints of the snapshot in force, by address, and of the one that is being built.
  var endpoints: [String: Endpoint] = [:]

  /// - Parameters:
  ///   - names: gives metric ids that survive reloads.
  ///   - tickets: the session-ticket keys, shared by all snapshots.
  ///   - remoteKeys: the key sets that are fetched.
  ///   - revocation: the deny-lists that are followed.
  ///   - introspections: the endpoints that are asked about tokens.
  package init(
    names: MetricNames, tickets: TicketKeyRing, remoteKeys: RemoteKeySets? = nil,
    revocation: RevocationFeeds? = nil,
    introspections: RemoteIntrospections? = nil
  ) {
    self.revocation = revocation
    self.introspections = introspections
    self.remoteKeys = remoteKeys
    self.names = names
    self.tickets = tickets
  }

  package enum Result {
    case built(BuiltSnapshot)
    case rejected([Diagnostic])
  }

  /// Reads `path` and builds what it says, for a start: waits for names, though not for long.
  package func build(path: String, generation: UInt64) -> Result {
    let result = ConfigurationLoader.load(
      path: path, environment: ProcessInfo.processInfo.environment, workers: .written(processors: Self.processors))
    if case .loaded(let loaded) = result {
      known = Names.resolve(loaded.configuration.hostNames, servers: loaded.configuration.process.resolvers)
    }
    return build(result, generation: generation) { [known] in known[$0] ?? [] }
  }

  /// Builds what was read.
  ///
  /// - Parameter known: what a name resolves to, as far as that is known.
  func build(_ result: ConfigurationResult, generation: UInt64, known: @escaping (String) -> [SocketAddress]) -> Result {
    addressesOfName = known
    switch result {
    case .rejected(let diagnostics): return .rejected(diagnostics)
    case .loaded(let loaded): return build(loaded, generation: generation)
    }
  }

  private func build(_ loaded: LoadedConfiguration, generation: UInt64) -> Result {
    diagnostics = []
    warnings = loaded.warnings
    certificates = []
    self.loaded = LoadedFiles()
    defer { self.loaded = LoadedFiles() }
    remoteKeys?.beginClaims(
      loaded.configuration.identityProviders.map { RemoteKeySets.Owner(provider: $0.name.value, issuer: $0.issuer.value) })
    introspections?.beginClaims(loaded.configuration.identityProviders.map(\.name.value))
    let configuration = loaded.configuration
    if !knowsWorkers { workers = Self.workerCount(configuration.process) }
    knowsWorkers = true
    checkAccessLog(configuration)
    let listeners = configuration.listeners.compactMap { listener($0, drainTime: configuration.process.drain) }
    let providers = configuration.identityProviders.compactMap { provider($0) }
    let keys = signingKeys(configuration)
    let backends = configuration.backends.enumerated().compactMap { backend($0.element, index: $0.offset) }
    let builtAt = Self.now
    let signing = keys.flatMap { signingPlan($0, configuration, backends) }
    let location = configuration.internalToken?.location ?? SourceLocation(file: "", line: 1, column: 1)
    let internalTokens = signing.flatMap { tokens($0, at: builtAt, location) } ?? .none
    let revocation = revocationPlan(configuration.revocation)
    guard diagnostics.isEmpty else { return .rejected(diagnostics) }
    let routes = routes(configuration)
    let proxy = ProxySnapshot(
      generation: generation, routeTable: loaded.routes, routes: routes, backends: backends, providers: providers,
      internalTokens: internalTokens, revocations: revocation.list,
      tokenFields: configuration.backends.map {
        $0.internalToken?.header ?? configuration.internalToken?.header ?? "X-Internal-Token"
      },
      pathRules: configuration.pathRules, writesAccessLog: configuration.accessLog != .off,
      gatheredLimit: share(configuration.process.gathered))
    return .built(
      BuiltSnapshot(
        proxy: proxy, configuration: configuration, listeners: listeners, files: loaded.files, sha256: loaded.sha256,
        certificates: certificates,
        namedEndpoints: (backends.flatMap(\.endpoints) + revocation.endpoints).filter {
          SocketAddress(literal: $0.host, port: 0) == nil && !$0.host.isEmpty
        },
        signing: signing, builtAt: builtAt, warnings: warnings, revocation: revocation))
  }

  /// A log that is open already goes on: only what would have to be opened is refused.
  private func checkAccessLog(_ configuration: GatewayConfiguration) {
    guard let place = configuration.accessLogLocation, let obstacle = configuration.accessLog.obstacle else { return }
    guard configuration.accessLog == accessLogInForce else { return refuse(place, obstacle) }
    warn(place, "\(obstacle). Lines go on to the file that is open; SIGUSR1 and a restart would fail")
  }

  /// What `host`, a name or an address, is known to resolve to.
  func addresses(_ host: String, _ port: UInt16) -> [SocketAddress] {
    if let literal = SocketAddress(literal: host, port: port) { return [literal] }
    return addressesOfName(host).compactMap { $0.with(port: port) }
  }

  /// `built` is in force: what others had is forgotten.
  func forgetOthers(than built: BuiltSnapshot) {
    let inForce = Set(built.proxy.backends.flatMap(\.endpoints).map { ObjectIdentifier($0) })
    endpoints = endpoints.filter { inForce.contains(ObjectIdentifier($0.value)) }
    known = [:]
  }

  func refuse(_ location: SourceLocation, _ message: String) {
    diagnostics.append(Diagnostic(location, message))
  }

  func warn(_ location: SourceLocation, _ message: String) {
    warnings.append(Diagnostic(location, message))
  }

  func read(_ file: Located<String>, _ what: String) -> [UInt8]? {
    guard let data = FileManager.default.contents(atPath: file.value) else {
      refuse(
        file.location,
        "\(what) \(file.value) cannot be read: \(FileManager.default.fileExists(atPath: file.value) ? "permission denied" : "no such file")"
      )
      return nil
    }
    return [UInt8](data)
  }

  /// One worker a core, unless the configuration says otherwise.
  static func workerCount(_ settings: ProcessSettings) -> Int {
    settings.workers > 0 ? settings.workers : processors
  }

  static var processors: Int { max(1, Int(gh_available_processors())) }

  /// One worker's part of a limit that holds for all of them together.
  func share(_ limit: Int) -> Int { max(1, (limit + workers - 1) / workers) }
}
