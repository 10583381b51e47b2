import HTTP
import Proxy
import Reactor
import Routing
import TLS
import Tokens
import Upstream

/// The configurations that a script can reload: the first is in force when it begins.
struct SnapshotPlan {
  let mesh: CertificateAuthorities
  let gateway: CertificateChain
  /// By backend.
  let addresses: [[SocketAddress]]
  let providers: [IdentityProvider]
  let tokens: InternalTokens

  func all(_ revocations: [RevocationList]) throws -> [ProxySnapshot] {
    try [
      snapshot(1),
      // The same backends, with other limits.
      snapshot(2, connections: 1, pending: 1),
      // The same names, and nothing of what was may go on.
      snapshot(3, edition: 1),
      // Two backends and their routes are gone.
      snapshot(4, backends: 2),
      // Whoever was let in is denied.
      snapshot(5, revocations: revocations[1]),
      // No identity provider is left.
      snapshot(6, hasProviders: false),
    ]
  }

  private func snapshot(
    _ generation: UInt64, edition: UInt8 = 0, connections: Int = 4, pending: Int = 6, backends: Int = 4,
    revocations: RevocationList = .none, hasProviders: Bool = true
  ) throws -> ProxySnapshot {
    var table = RouteTableBuilder(seed: 1)
    var routes: [Route] = []
    func add(
      _ path: String, _ backend: Int, isOpen: Bool = true, timeout: Int = 0, maximum: UInt64 = 1 << 20, gather: Int = 0, ends: Bool = false
    ) throws {
      guard backend < backends, isOpen || hasProviders else { return }
      try table.add(RouteMatch(path: path), index: routes.count)
      routes.append(
        Route(
          name: path, index: routes.count, metricID: routes.count,
          access: RouteAccess(
            index: isOpen ? 0 : 1, providers: ProviderSet(isOpen ? [] : [0, 1]),
            places: isOpen ? [] : [TokenPlace(.bearer, providers: [0, 1])], removedSources: [.bearer],
            removedNames: TokenSource.fieldNames([.bearer])),
          backends: [(backend, 1)], stripPrefix: [], timeout: timeout, bodyMaximum: maximum, bodyGather: gather,
          forwardsAccessToken: false, endsAtExpiry: ends, path: path))
    }
    for (index, letter) in ["a", "b", "c", "d"].enumerated() {
      // What clients send to every second one is gathered first.
      try add("/open/\(letter)/**", index, gather: index % 2 == 1 ? 2_000 : 0)
      try add("/user/\(letter)/**", index, isOpen: false, ends: index < 2)
    }
    try add("/brief/**", 0, timeout: 3_000)
    try add("/small/**", 0, maximum: 100)
    return ProxySnapshot(
      generation: generation, routeTable: table.build(), routes: routes,
      backends: try (0..<backends).map { try backend($0, edition, connections, pending) },
      providers: hasProviders ? providers : [], internalTokens: tokens, revocations: revocations,
      tokenFields: (0..<backends).map { _ in "X-Internal-Token" }, pathRules: PathRules(), writesAccessLog: true,
      gatheredLimit: 64 << 10)
  }

  private func backend(_ index: Int, _ edition: UInt8, _ connections: Int, _ pending: Int) throws -> Backend {
    let name = Stage.backendNames[index]
    let protocols = [Backend.Protocols.http1, .http2, .automatic, .automatic][index]
    let offered: [[ApplicationProtocol]] = [[.http1_1], [.h2], [.h2, .http1_1], [.h2, .http1_1]]
    return Backend(
      name: name, index: index, metricID: index,
      endpoints: addresses[index].enumerated().map { place, address in
        Endpoint(name: "\(name)-\(place)", host: name, port: 1, metricID: index * 4 + place, addresses: [address])
      },
      tls: try ClientTLSContext(
        certificate: gateway, authorities: mesh, serverName: nil, identities: ["spiffe://gatehouse.internal/\(name)"],
        protocols: offered[index]),
      balance: .leastRequests, protocols: protocols, connectTimeout: 4_000, responseTimeout: 8_000, idleTimeout: 12_000,
      tunnelTimeout: 20_000, connectionLimit: name == "narrow" ? 1 : connections, pendingLimit: pending,
      poolKey: [UInt8(index), edition])
  }
}
