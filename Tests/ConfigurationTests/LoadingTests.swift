import Cryptography
import Foundation
import HTTP
import JSON
import Testing

@testable import Configuration
@testable import Routing

@Suite("Loading a configuration")
struct LoadingTests {
  /// The example of the documentation without what this version does not support yet.
  static let example = """
    process: { workers: 0, drain: 30s, log_level: info }   # workers 0 = one per core
    access_log: { path: "-" }

    listeners:
      - name: public
        address: 0.0.0.0:8443
        tls:
          certificates:
            - { certificate: ../Certs/edge.crt, key: ../Certs/edge.key }
          minimum_version: TLSv1.2
          client_ca: ../Certs/partners-ca.crt
          client_auth: none
        limits: { connections: 10000, header_bytes: 32KiB, header_count: 100, uri_bytes: 8KiB }
        timeouts: { handshake: 10s, header: 10s, idle: 75s, body: 60s }
        trusted_proxies: [10.0.0.0/8]
        proxy_protocol: false

    admin:
      address: 127.0.0.1:9901

    identity_providers:
      - name: main
        issuer: https://idp.example.com/
        audiences: [api]
        algorithms: [ES256, RS256, PS256, EdDSA]
        jwks: { file: ../Certs/idp.jwks.json }
        leeway: 30s
        token_from:
          - { header: Authorization, scheme: Bearer }
          - { cookie: access_token }
        token_types: [JWT, at+jwt]
        required_claims: { azp: [web, mobile] }
        maximum_token_bytes: 8KiB

    internal_token:
      issuer: https://gateway.internal
      header: X-Internal-Token
      profile: compact
      ttl: 60s
      claims: [sub, scope, roles, tenant]
      signing_keys:
        - { kid: 2026-11, algorithm: ES256, key: ../Certs/internal-token.key, state: active }

    backends:
      - name: orders
        endpoints: [orders-1.internal:9443, orders-2.internal:9443]
        protocol: auto
        tls:
          ca: ../Certs/mesh-ca.crt
          certificate: ../Certs/gateway.crt
          key: ../Certs/gateway.key
          identities: ["spiffe://example.internal/orders"]
        balance: least_requests
        timeouts: { connect: 2s, response: 15s, idle: 60s }
        limits: { connections: 256, pending: 1024, header_bytes: 64KiB, header_count: 128 }

    routes:
      - name: orders-read
        match: { hosts: [api.example.com], path: "/v1/orders/**", methods: [GET, HEAD] }
        authenticate: [main]
        authorize: { scopes: ["orders:read"], claims: { tenant: "*" } }
        backend: orders
        rewrite: { strip_prefix: /v1 }
        timeout: 15s
        body: { maximum: 1MiB }
    """

  struct Unexpected: Error {}

  @Test("a listener without TLS says what it is for, and a Unix socket's path is relative to the file")
  func plainListeners() throws {
    let text = Sample.all.replacing(
      "listeners:\n",
      with: """
        listeners:
          - { name: http, address: "0.0.0.0:80", plaintext: redirect }
          - { name: other, address: "[::]:81", plaintext: redirect, redirect_port: 8443 }
          - { name: mesh, address: "unix:run/mesh", plaintext: serve, proxy_protocol: true, trusted_proxies: [unix, "2001:db8::/32"] }

        """)
    let listeners = try loaded(text).listeners
    guard case .plaintext(.redirect(port: 443)) = listeners[0].security,
      case .plaintext(.redirect(port: 8443)) = listeners[1].security,
      case .plaintext(.serve) = listeners[2].security
    else { throw Unexpected() }
    #expect(listeners[1].address.value == .tcp(host: "::", port: 81))
    guard case .unix(let path) = listeners[2].address.value else { throw Unexpected() }
    #expect(path.hasSuffix("run/mesh"))
    #expect(listeners[2].proxyProtocol && !listeners[1].proxyProtocol)
    #expect(listeners[2].trustedProxies[0] == IPNetwork(bytes: [UInt8](repeating: 0, count: 16), prefixLength: 128))
  }

  @Test("the documentation's example loads, and means what it says")
  func contract() throws {
    let configuration = try loaded(Self.example)
    let listener = try #require(configuration.listeners.first)
    #expect(listener.address.value == .tcp(host: "0.0.0.0", port: 8443))
    guard case .tls(let tls) = listener.security else { throw Unexpected() }
    #expect(tls.certificates[0].key.value == "Routes/../Certs/edge.key")
    #expect(listener.limits == ListenerLimits())
    let network = IPNetwork(bytes: .init(repeating: 0, count: 10) + [255, 255, 10, 0, 0, 0], prefixLength: 104)
    #expect(listener.trustedProxies == [network])
    #expect(configuration.admin?.address.value == .tcp(host: "127.0.0.1", port: 9901))
    let provider = try #require(configuration.identityProviders.first)
    #expect(provider.algorithms.map(\.value) == ["ES256", "RS256", "PS256", "EdDSA"])
    #expect(provider.tokenFrom == [.header(name: "Authorization", scheme: "Bearer"), .cookie(name: "access_token")])
    #expect(provider.requiredClaims.map(\.values) == [["web", "mobile"]])
    let token = try #require(configuration.internalToken)
    #expect(token.claims.map(\.source) == ["sub", "scope", "roles", "tenant"].map { .path($0) })
    #expect(token.signingKeys.map(\.kid.value) == ["2026-11"])
    let backend = try #require(configuration.backends.first)
    #expect(backend.endpoints.map(\.value).last == .tcp(host: "orders-2.internal", port: 9443))
    #expect(backend.tls.identities.map(\.value) == ["spiffe://example.internal/orders"])
    let route = try #require(configuration.routes.first)
    #expect(route.match == RouteMatch(hosts: ["api.example.com"], path: "/v1/orders/**", methods: ["GET", "HEAD"]))
    #expect(route.authorization == .all([.scopes(["orders:read"]), .claim("tenant", ["*"])]))
    #expect(route.providers == [0])
    #expect(route.backends.map(\.weight) == [1])
    #expect(route.stripPrefix == "/v1")
    #expect(route.timeout == 15_000)
    #expect(route.bodyMaximum == 1 << 20)
  }

  @Test("a backend's internal token is as for all, but for what it says itself; constants keep their types")
  func internalTokenForOneBackend() throws {
    let yaml = Sample.all.replacing(
      "  signing_keys: [",
      with:
        "  maximum_bytes: 2KiB\n  claims: { uid: sub, roles: realm_access.roles, env: { value: production }, n: { value: 3 }, "
        + "t: { value: \"3\" }, o: { value: { a: [true, x] } } }\n  signing_keys: ["
    ).replacing(
      "{ name: orders, endpoints",
      with:
        "{ name: orders, internal_token: { profile: transaction, ttl: 10s, header: Txn-Token, trust_domain: example.internal, "
        + "claims: [] }, endpoints")
    let configuration = try loaded(yaml)
    let shared = try #require(configuration.internalToken)
    #expect(shared.claims.map(\.name.value) == ["uid", "roles", "env", "n", "t", "o"])
    #expect(
      shared.claims.map(\.source) == [
        .path("sub"), .path("realm_access.roles"), .constant("production"), .constant(.integer(3)), .constant("3"),
        .constant(.object([JSONMember("a", .array([.boolean(true), "x"]))])),
      ])
    #expect(shared.profile == .compact && shared.ttl == 60_000 && shared.maximumBytes == 2048)
    let own = shared.applying(configuration.backends[0].internalToken)
    #expect(own.profile == .transaction && own.ttl == 10_000 && own.header == "Txn-Token" && own.claims.isEmpty)
    #expect(own.trustDomain?.value == "example.internal" && own.maximumBytes == 2048 && own.issuer == shared.issuer)
  }

  @Test("signing keys are a list with times, or a directory")
  func signingKeys() throws {
    let list = try loaded(
      Sample.all.replacing(
        "key: internal.key }",
        with: "key: internal.key }, { kid: k2, algorithm: EdDSA, key: b, state: next, activate_at: \"2026-11-25T03:00:00Z\", "
          + "published_since: \"2026-11-24T00:00:00Z\" }")
    ).internalToken
    #expect(list?.signingKeys.map(\.activateAt) == [nil, 1_795_575_600])
    #expect(list?.signingKeys.map(\.publishedSince) == [nil, 1_795_478_400])
    #expect(list?.publishAhead == 600_000 && list?.leeway == 30_000 && list?.keyDirectory == nil)
    let directory = try loaded(
      Sample.all.replacing(
        "[{ kid: k1, algorithm: ES256, key: internal.key }]",
        with: "{ directory: ../Certs/keys }\n  publish_ahead: 1h\n  leeway: 0s")
    ).internalToken
    #expect(directory?.keyDirectory?.value == "Routes/../Certs/keys" && directory?.signingKeys.isEmpty == true)
    #expect(directory?.publishAhead == 3_600_000 && directory?.leeway == 0)
  }

  @Test(
    "times are read as they are written",
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_795_575_600, "2026-11-25T03:00:00Z"),
      (4_107_542_399, "2100-02-28T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"), (253_402_300_799, "9999-12-31T23:59:59Z"),
    ] as [(Int64, String)])
  func times(seconds: Int64, text: String) {
    #expect(UTCTime.text(seconds) == text)
    #expect(UTCTime.parse(text) == seconds)
  }

  @Test(
    "what is no time is none",
    arguments: [
      "", "2026-11-25", "2026-11-25T03:00:00", "2026-11-25T03:00:00+00:00", "2026-11-25t03:00:00Z", "2026-13-01T00:00:00Z",
      "2026-02-29T00:00:00Z", "2026-11-25T24:00:00Z", "2026-11-25T03:60:00Z", "1969-12-31T23:59:59Z", "2026-11-25T03:00:60Z",
      "2026-00-25T03:00:00Z", "2026-11-00T03:00:00Z", "20\u{966}6-11-25T03:00:0Z",
    ])
  func noTimes(text: String) { #expect(UTCTime.parse(text) == nil) }

  @Test("what is not written has its default")
  func defaults() throws {
    let configuration = try loaded(Sample.all)
    #expect(configuration.process == ProcessSettings())
    #expect(configuration.accessLog == .standardOutput)
    #expect(configuration.admin == nil)
    #expect(configuration.pathRules == PathRules())
    #expect(configuration.identityProviders[0].tokenFrom == [.header(name: "Authorization", scheme: "Bearer")])
    #expect(configuration.internalToken?.header == "X-Internal-Token")
    #expect(configuration.internalToken?.signingKeys[0].state == .active)
    #expect(configuration.backends[0].balance == .leastRequests)
    #expect(!configuration.routes[0].forwardAccessToken)
    #expect(configuration.routes[0].bodyMaximum == nil)
    #expect(configuration.routes[0].bodyGather == 64 << 10)
    #expect(configuration.listeners[0].timeouts == ListenerTimeouts())
    #expect((configuration.listeners[0].timeouts.bodyRate, configuration.listeners[0].timeouts.bodyTotal) == (1024, 600_000))
  }

  @Test("what is written about content has its say, and the rest its default")
  func content() throws {
    let text = "process: { gathered: 2MiB, proofs: 2048 }\n" + Sample.all
    let all = try loaded(text.replacing("backend: orders }", with: "backend: orders, body: { gather: 0 } }"))
    #expect(all.process.gathered == 2 << 20)
    #expect(all.process.proofs == 2048)
    #expect(all.routes[0].bodyGather == 0)
    #expect(all.routes[0].bodyMaximum == nil)
    #expect(all.routes[0].bodyRate == nil)
    let free = try loaded(text.replacing("backend: orders }", with: "backend: orders, body: { rate: 0, total: 0s } }")).routes[0]
    #expect((free.bodyRate, free.bodyTotal) == (0, 0))
    let bound = try loaded(text.replacing("backend: orders }", with: "backend: orders, body: { rate: 2KiB/s, total: 1m } }")).routes[0]
    #expect((bound.bodyRate, bound.bodyTotal) == (2048, 60_000))
    let one = try loaded(text.replacing("backend: orders }", with: "backend: orders, body: { maximum: 5 } }"))
    #expect(one.routes[0].bodyGather == 64 << 10)
    #expect(one.routes[0].bodyMaximum == 5)
  }

  @Test(
    "`off` turns the access log off, quoted or not, and a file is relative to the configuration",
    arguments: [
      ("off", AccessLogSettings.off), ("\"off\"", .off), ("'-'", .standardOutput), ("access.log", .file("Routes/access.log")),
      ("/var/log/a", .file("/var/log/a")),
    ])
  func accessLog(_ text: String, _ expected: AccessLogSettings) throws {
    #expect(try loaded("access_log: { path: \(text) }\n" + Sample.all).accessLog == expected)
  }

  @Test("rules nest, and roles are read where `roles_from` says, inner rules included")
  func rules() throws {
    let yaml = Sample.all.replacing(
      "authorize: authenticated",
      with: "authorize: { roles_from: realm_access.roles, any: [{ roles: [admin] }, { all: [{ scopes: [a] }, "
        + "{ not: { claims: { level: [1, two], vip: true } } }] }] }")
    #expect(
      try loaded(yaml).routes[0].authorization
        == .any([
          .roles(["admin"], from: "realm_access.roles"),
          .all([.scopes(["a"]), .not(.all([.claim("level", ["1", "two"]), .claim("vip", ["true"])]))]),
        ]))
  }

  @Test("internal claims may be renamed, and several weighted backends may share a route")
  func mapsAndWeights() throws {
    var yaml = Sample.all.replacing(
      "  issuer: https://gateway.internal", with: "  issuer: g\n  claims: { uid: sub, org: tenant.id }")
    yaml = yaml.replacing("backend: orders", with: "backends: [{ name: orders, weight: 95 }, { name: canary, weight: 5 }]")
    yaml = yaml.replacing(
      "routes:\n",
      with: "  - { name: canary, endpoints: ['[::1]:1'], tls: { ca: c, certificate: c, key: k, server_name: c } }\nroutes:\n")
    let configuration = try loaded(yaml)
    #expect(configuration.internalToken?.claims.map(\.name.value) == ["uid", "org"])
    #expect(configuration.internalToken?.claims.map(\.source) == [.path("sub"), .path("tenant.id")])
    #expect(configuration.routes[0].backends.map(\.backend) == [0, 1])
    #expect(configuration.routes[0].backends.map(\.weight) == [95, 5])
    #expect(configuration.backends[1].endpoints[0].value == .tcp(host: "::1", port: 1))
  }

  @Test("a provider with a shared secret needs no key set")
  func secret() throws {
    let secret = String(repeating: "s", count: 32)
    let yaml = Sample.all.replacing(
      "algorithms: [ES256], jwks: { file: idp.jwks.json }", with: "algorithms: [HS256], secret: \"${SECRET}\"")
    let provider = try #require(try loaded(yaml, environment: ["SECRET": secret]).identityProviders.first)
    #expect(provider.jwksFile == nil)
    #expect(provider.secret?.value == Array(secret.utf8))
  }

  @Test("anchors and aliases are read")
  func aliases() throws {
    let yaml = Sample.all.replacing("jwks: { file: idp.jwks.json }", with: "jwks: { file: &f idp.jwks.json }")
      .replacing("ca: ca.crt", with: "ca: *f")
    #expect(try loaded(yaml).backends[0].tls.ca.value == "Routes/idp.jwks.json")
  }

  // MARK: - Files

  @Test("lists of several files are put together, and names reach across them")
  func merging() throws {
    let result = load(
      ("Routes/a.yaml", Sample.routes + Sample.listeners), ("Routes/b.yaml", Sample.backends + Sample.providers),
      ("Routes/c.yaml", Sample.token + "routes:\n  - { name: o, match: { path: / }, authenticate: none, backend: orders }\n"),
      ("Routes/d.yaml", "# nothing\n"))
    guard case .loaded(let loaded) = result else {
      Issue.record("\(result)")
      return
    }
    #expect(loaded.configuration.routes.map(\.name.value) == ["orders", "o"])
    #expect(loaded.files.map(\.path) == ["Routes/a.yaml", "Routes/b.yaml", "Routes/c.yaml", "Routes/d.yaml"])
    #expect(loaded.sha256.count == 64)
  }

  @Test("a name or a section that is written twice is an error that cites both places")
  func twice() {
    let result = load(("a.yaml", Sample.all), ("b.yaml", Sample.all + "process: {}\n"), ("c.yaml", "process: {}\n"))
    guard case .rejected(let diagnostics) = result else {
      Issue.record("loaded")
      return
    }
    #expect(
      diagnostics.map(\.description) == [
        "b.yaml:2:11: the listener `public` is already defined at a.yaml:2:11: write another name",
        "b.yaml:3:14: the address is already used at a.yaml:3:14: write another",
        "b.yaml:6:13: the identity provider `main` is already defined at a.yaml:6:13: write another name",
        "b.yaml:8:3: `internal_token` is already written at a.yaml:8:3: keep one",
        "b.yaml:11:13: the backend `orders` is already defined at a.yaml:11:13: write another name",
        "b.yaml:13:5: the route `orders` ties with `orders` at a.yaml:13:5: "
          + "both take `/orders/**` on any host and neither is more specific",
        "b.yaml:13:13: the route `orders` is already defined at a.yaml:13:13: write another name",
        "c.yaml:1:10: `process` is already written at b.yaml:14:10: keep one",
      ])
  }

  @Test("a directory's YAML files are read in the order of their names, others not")
  func directory() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("gatehouse-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    func write(_ name: String, _ text: String) throws {
      try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
    }
    try write("b.yml", Sample.all)
    try write("a.yaml", "process: { workers: 2 }\n")
    try write("c.txt", "no")
    try write(".hidden.yaml", "no")
    guard case .loaded(let loaded) = ConfigurationLoader.load(path: directory + "/", environment: [:]) else {
      Issue.record("rejected")
      return
    }
    #expect(loaded.files.map(\.path) == ["\(directory)/a.yaml", "\(directory)/b.yml"])
    #expect(loaded.configuration.process.workers == 2)
    #expect(loaded.configuration.backends[0].tls.ca.value == "\(directory)/ca.crt")
    guard case .loaded(let single) = ConfigurationLoader.load(path: "\(directory)/b.yml", environment: [:]) else {
      Issue.record("rejected")
      return
    }
    // What `sha256sum` prints.
    #expect(single.files[0].sha256 == single.sha256)
    let empty = ConfigurationLoader.load(path: "\(directory)/none", environment: [:])
    guard case .rejected(let diagnostics) = empty else {
      Issue.record("loaded")
      return
    }
    #expect(diagnostics.map(\.description) == ["\(directory)/none:1:1: there is no such file or directory"])
  }

  @Test("the digest is SHA-256")
  func digest() {
    #expect(Digest.hexadecimal(Digest.sha256(Array("abc".utf8))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  // MARK: - Values

  @Test(
    "the environment is put into scalars, and into nothing else",
    arguments: [
      ("a", "a"), ("${A}", "1"), ("x${A}y${B:-2}z", "x1y2z"), ("${E:-d}", "d"), ("${E}x", "x"), ("$A $$ $", "$A $$ $"),
      ("$${A}", "${A}"), ("$$${A}", "$${A}"), ("${V}", "${A}"), ("${A:-}", "1"), ("${B:-a:-b}", "a:-b"),
    ])
  func environment(_ text: String, _ expected: String) throws {
    #expect(try EnvironmentSubstitution.apply(text, ["A": "1", "E": "", "V": "${A}"]) == expected)
  }

  @Test("durations and sizes")
  func quantities() {
    #expect(["250ms", "30s", "10m", "24h", "0s"].map(Quantity.milliseconds) == [250, 30_000, 600_000, 86_400_000, 0])
    for bad in ["30", "s", "-1s", "1.5s", "1 s", "1S", "99999999999999999999s", "9223372036854775807h", "٣s"] {
      #expect(Quantity.milliseconds(bad) == nil, "\(bad)")
    }
    #expect(["0", "16KiB", "1MiB", "1GiB"].map(Quantity.bytes) == [0, 16384, 1 << 20, 1 << 30])
    for bad in ["1KB", "1k", "-1", "KiB", "1 MiB", "9223372036854775807KiB", "0x10"] {
      #expect(Quantity.bytes(bad) == nil, "\(bad)")
    }
  }

  @Test("the nearest name is the one with the fewest slips")
  func nearest() {
    let known = ["authenticate", "authorize", "backend", "backends"]
    #expect(NearestName.find("authentciate", among: known) == "authenticate")
    #expect(NearestName.find("backens", among: known) == "backend")
    #expect(NearestName.find("zzz", among: known) == nil)
    #expect(NearestName.distance(Array("ca".utf8), Array("ac".utf8)) == 1)
  }

  @Test("a public route that takes what a route for methods leaves is warned of, where it stands")
  func warning() throws {
    let yaml = Sample.all + """
        - { name: write, match: { path: /doc/**, methods: [POST] }, authenticate: [main], authorize: authenticated, backend: orders }
        - { name: doc, match: { path: /doc/** }, authenticate: none, backend: orders }

      """
    guard case .loaded(let loaded) = load(("r.yaml", yaml)) else { throw Rejected() }
    #expect(
      loaded.warnings.map(\.warning) == [
        "r.yaml:15:5: warning: the public route `doc` takes every method of `/doc/**` that `write` at r.yaml:14:5 does not name: "
          + "write its `methods`, or a route with authentication for the others"
      ])
  }
}
