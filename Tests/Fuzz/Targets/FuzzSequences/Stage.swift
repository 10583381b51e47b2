import CLinux
import Development
import JSON
import Limits
import Proxy
import Reactor
import Routing
import TLS
import Tokens
import Upstream

/// What all scripts share, made once and never changed: certificates, tokens, snapshots to choose from, and sockets on which
/// backends listen.
final class Stage: Sendable {
  static let shared = Stage()

  /// Who tokens are for.
  enum User: Int, CaseIterable {
    case ann, bob
    /// Its key is not known yet.
    case cyd
    /// Its token has to be asked about.
    case dee
    /// Expires after ten seconds.
    case eve

    var name: String { "\(self)" }
  }

  /// Seconds since 1970 when each script begins.
  static let began: Int64 = 1_790_000_000
  static let backendNames = ["orders", "users", "shared", "narrow"]

  let listeners: [ListenerContext]
  /// What listeners may let clients in by after a reload: all as before, some moved, most gone.
  let trust: [[String: ListenerTrust]]
  let snapshots: [ProxySnapshot]
  let revocations: [RevocationList]
  let otherTokens: InternalTokens
  let remoteKeys: RemoteKeys
  let laterKeys: KeySet
  let remoteAnswers: RemoteIntrospection
  let tokens: [[UInt8]]
  let backendTLS: [ServerTLSContext]
  let clientTLS: [ClientTLSContext]
  /// Sockets that listen, by backend.
  let sockets: [Int32]
  private let mesh: CertificateAuthorities
  let directory: String

  /// By `ListenerContext`'s place in `listeners`.
  enum Entrance: Int { case plain, encrypted, redirect, keys, balanced }

  private init() {
    do {
      let pki = try Self.makeCertificates()
      directory = pki.directory
      let mesh = try CertificateAuthorities(path: pki.path("mesh-ca.crt"))
      self.mesh = mesh
      let gateway = try CertificateChain(certificate: pki.path("gateway.crt"), key: pki.path("gateway.key"))
      let edge = try CertificateChain(certificate: pki.path("edge.crt"), key: pki.path("edge.key"))
      listeners = try Self.makeListeners(edge, moved: false)
      let moved = try Self.makeListeners(edge, moved: true)
      trust = [listeners, [listeners[0], moved[1], listeners[2], listeners[3], moved[4]], [listeners[1]]].map { some in
        Dictionary(uniqueKeysWithValues: some.map { ($0.name, $0.trust) })
      }
      let parties = try Self.backendNames.indices.map { try Self.party($0, pki, mesh) }
      backendTLS = parties.map(\.tls)
      sockets = parties.map(\.socket)
      let later = try KeyGeneration.makePEM(.es256)
      let keys = try KeySet.parse(TextFile.read(pki.path("idp.jwks.json")))
      laterKeys = try KeySet.parse(
        JWKSFile.make([
          (try TextFile.read(pki.path("idp.key")), DevelopmentPKI.keyID, .es256), (later, "later", .es256),
        ]))
      remoteKeys = RemoteKeys()
      remoteAnswers = RemoteIntrospection(name: "asked", identity: ["asked"], lifetime: 30, inactiveLifetime: 10, patience: 2000)
      tokens = try Self.makeTokens(pki, later)
      let signing = try SigningKey(
        kid: DevelopmentPKI.keyID, algorithm: .es256, pem: try TextFile.read(pki.path("internal-token.key")))
      let other = try SigningKey(kid: "other", algorithm: .es256, pem: try KeyGeneration.makePEM(.es256))
      otherTokens = try Self.internalTokens(other, gateway)
      let own = try Self.internalTokens(signing, gateway)
      let plan = SnapshotPlan(
        mesh: mesh, gateway: gateway, addresses: parties.map(\.addresses), providers: [
          IdentityProvider(
            name: "idp", issuer: "https://idp", audiences: ["api"], algorithms: [.es256], keySet: keys, remote: remoteKeys),
          IdentityProvider(
            name: "asked", issuer: "https://asked", audiences: ["api"], algorithms: [], keySet: nil, introspection: remoteAnswers),
        ], tokens: own)
      revocations = [
        .none,
        RevocationList([RevocationTable([Revocation(.sub, Array("ann".utf8))])], refusesEverything: false),
        RevocationList([], refusesEverything: true),
      ]
      snapshots = try plan.all(revocations)
      clientTLS = try [ApplicationProtocol.http1_1, .h2].map {
        try ClientTLSContext(
          certificate: gateway, authorities: CertificateAuthorities(path: pki.path("public-ca.crt")), serverName: "localhost",
          identities: [], protocols: [$0])
      }
    } catch {
      violation("the stage cannot be set: \(error)")
    }
  }

  private static func makeCertificates() throws -> DevelopmentPKI {
    var template = Array("/tmp/gatehouse-sequences-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { violation("no directory") }
    let pki = DevelopmentPKI(directory: String(cString: made))
    _ = try pki.make()
    for name in backendNames.dropFirst(DevelopmentPKI.backendNames.count) { try pki.addBackend(name) }
    return pki
  }

  // MARK: Entrances

  private static func makeListeners(_ edge: CertificateChain, moved: Bool) throws -> [ListenerContext] {
    let tls = try ServerTLSContext(certificates: [edge], protocols: [.h2, .http1_1], ticketKeys: TicketKeyRing())
    func context(
      _ name: String, _ security: ListenerContext.Security, balanced: Bool = false, servesKeys: Bool = false
    ) -> ListenerContext {
      ListenerContext(
        name: name, address: moved ? "elsewhere" : "here", security: security, redirectsPlaintext: false,
        expectsProxyHeader: balanced, headerBytes: 8 << 10, headerCount: 64, uriBytes: 4 << 10,
        streams: 16, connectionLimit: 120, perClientLimit: balanced ? 3 : 0, handshakeTimeout: 5_000, headerTimeout: 8_000,
        idleTimeout: 30_000, content: TransferPace.Rules(silence: 10_000, rate: 1024, total: 600_000), drainTime: 3_000,
        trusted: balanced ? [ListenerTrust.Network(high: 0, low: 0x0000_ffff_0a00_0000, prefixLength: 104)] : [],
        servesKeys: servesKeys)
    }
    return [
      context("plain", .plaintext(.serves)), context("encrypted", .tls(tls)), context("redirect", .plaintext(.redirects(port: 443))),
      context("keys", .plaintext(.serves), servesKeys: true), context("balanced", .plaintext(.serves), balanced: true),
    ]
  }

  // MARK: Backends

  private struct Party {
    let tls: ServerTLSContext
    let socket: Int32
    let addresses: [SocketAddress]
  }

  private static func party(_ index: Int, _ pki: DevelopmentPKI, _ mesh: CertificateAuthorities) throws -> Party {
    let name = backendNames[index]
    let tls = try ServerTLSContext(
      certificates: [try CertificateChain(certificate: pki.path("\(name).crt"), key: pki.path("\(name).key"))],
      protocols: [[.http1_1], [.h2], [.h2], [.http1_1]][index], clientAuthentication: .required(mesh), ticketKeys: TicketKeyRing())
    // One is reached by TCP, whose connections take their time to be refused as well as to be made.
    guard name == "shared" else {
      let address = try SocketAddress(unixPath: pki.path("\(name).sock"))
      return Party(tls: tls, socket: try Listener.open(address, backlog: 64, reusePort: false), addresses: [address])
    }
    guard let any = SocketAddress(literal: "127.0.0.1", port: 0) else { violation("no loopback") }
    let socket = try Listener.open(any, backlog: 64, reusePort: false)
    // Bound, and listens to nobody.
    let deaf = localAddress(try Listener.bound(any, reusePort: false))
    return Party(tls: tls, socket: socket, addresses: [deaf, localAddress(socket)])
  }

  private static func localAddress(_ descriptor: Int32) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
    }
    return SocketAddress(storage: storage, length: length)
  }

  // MARK: Tokens

  private static func makeTokens(_ pki: DevelopmentPKI, _ later: [UInt8]) throws -> [[UInt8]] {
    let known = try TextFile.read(pki.path("idp.key"))
    return try User.allCases.map { user in
      if user == .dee { return Array("opaque-token-of-dee".utf8) }
      let claims = JSONValue.object([
        JSONMember("iss", "https://idp"), JSONMember("aud", "api"), JSONMember("sub", JSONValue(text: user.name)),
        JSONMember("iat", .integer(began - 10)), JSONMember("exp", .integer(began + (user == .eve ? 10 : 86_400))),
      ])
      return try DevelopmentToken.issue(
        claims: claims, algorithm: .es256, pem: user == .cyd ? later : known, kid: user == .cyd ? "later" : DevelopmentPKI.keyID)
    }
  }

  private static func internalTokens(_ key: SigningKey, _ gateway: CertificateChain) throws -> InternalTokens {
    InternalTokens(
      minters: try backendNames.map { name in
        var rules = InternalTokenRules(issuer: "https://gateway", audience: name)
        rules.confirmation = gateway.thumbprintText
        return try InternalTokenMinter(key: key, rules: rules)
      }, publishedKeys: PublishedKeySet([key]).json)
  }
}
