import Testing

@testable import Configuration

@Suite("Revocation")
struct RevocationSettingsTests {
  private static let logout = """
    listeners:
      - name: logout
        address: 0.0.0.0:8445
        tls: { certificates: [{ certificate: edge.crt, key: edge.key }] }
        serve: logout
      - name: public
        address: 0.0.0.0:8443
        tls: { certificates: [{ certificate: edge.crt, key: edge.key }] }
    identity_providers:
      - name: main
        issuer: https://idp.example.com/
        audiences: [api]
        algorithms: [ES256]
        jwks: { file: idp.jwks.json }
        backchannel_logout: { client_ids: [web, mobile], keep: 12h, ends: user }

    """

  @Test("feeds from files and from Redis")
  func feeds() throws {
    let settings = try loaded(
      Sample.all + """
        revocation:
          feeds:
            - { name: local, file: ../Certs/denied.jsonl, fail: open }
            - name: shared
              redis:
                address: redis.internal:6380
                username: gate
                password: ${REDIS_PASSWORD}
                database: 3
                channel: denied
                key: deny-list
                read_interval: 10s
              fail: closed
              stale_after: 90s
            - { name: socket, redis: { address: "unix:/run/redis.sock" }, fail: closed }
          store_logouts: shared

        """, environment: ["REDIS_PASSWORD": "open sesame"]
    ).revocation
    #expect(settings.feeds.map(\.name.value) == ["local", "shared", "socket"])
    #expect(settings.feeds.map(\.failsClosed) == [false, true, true])
    #expect(settings.feeds.map(\.staleAfter) == [60_000, 90_000, 60_000])
    #expect(settings.logoutStore == 1)
    guard case .file(let file) = settings.feeds[0].place, case .redis(let shared) = settings.feeds[1].place,
      case .redis(let socket) = settings.feeds[2].place
    else {
      Issue.record("\(settings.feeds)")
      return
    }
    #expect(file.value == "Routes/../Certs/denied.jsonl")
    #expect(shared.address.value == .tcp(host: "redis.internal", port: 6380))
    #expect(shared.username == "gate" && shared.password == "open sesame" && shared.database == 3)
    #expect(shared.channel == "denied" && shared.key == "deny-list" && shared.readInterval == 10_000)
    #expect(socket.address.value == .unix(path: "/run/redis.sock"))
    #expect(socket.username == nil && socket.password == nil && socket.database == 0)
    #expect(socket.channel == "gatehouse:revoked" && socket.key == "gatehouse:revoked" && socket.readInterval == 5_000)
    #expect(try loaded(Sample.all).revocation.feeds.isEmpty)
  }

  @Test("logouts: who is listened to, and for whom")
  func logouts() throws {
    let configuration = try loaded(Self.logout + Sample.token + Sample.backends + Sample.routes)
    #expect(configuration.listeners.map(\.servesLogout) == [true, false])
    #expect(configuration.listeners.map(\.servesJWKS) == [false, false])
    let logout = try #require(configuration.identityProviders[0].logout)
    #expect(logout.clientIDs == ["web", "mobile"] && logout.keep == 43_200_000 && logout.endsAllSessions)
    let plain = try loaded(
      Self.logout.replacing("{ client_ids: [web, mobile], keep: 12h, ends: user }", with: "{}") + Sample.token + Sample.backends
        + Sample.routes)
    #expect(plain.identityProviders[0].logout == LogoutSettings())
  }

  @Test(
    "what is wrong with `revocation` is told with file, line, column and what to write",
    arguments: [
      ("revocation: { feed: [] }", ["r.yaml:14:15: unknown key `feed`: did you mean `feeds`?"]),
      (
        "revocation: {}",
        [
          "r.yaml:14:13: `feeds` is missing: write a list such as `[{ name: denied, file: ../Certs/denied.jsonl, fail: closed }]`"
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, file: f }] }",
        [
          "r.yaml:14:23: `fail` is missing: write `closed` to refuse everybody while the list is out of date, or `open` to go on with the last one"
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, fail: open }] }",
        [
          "r.yaml:14:23: the feed comes from nowhere: write `file: FILE` or `redis: { address: 127.0.0.1:6379 }`"
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, file: f, redis: { address: h:1 }, fail: shut }] }",
        [
          "r.yaml:14:23: a feed comes from one place: write `file: FILE` or `redis: { address: 127.0.0.1:6379 }`",
          "r.yaml:14:74: unknown value `shut`: write `closed` or `open`",
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, file: f, fail: open, stale_after: 1s }, { name: a, file: g, fail: open }] }",
        [
          "r.yaml:14:68: `1s` is out of range: write 2s to 24h",
          "r.yaml:14:82: the feed `a` is already defined at r.yaml:14:31: write another name",
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, redis: { adress: h:1, username: u, database: -1, read_interval: 1ms }, fail: open }] }",
        [
          "r.yaml:14:43: unknown key `adress`: did you mean `address`?",
          "r.yaml:14:66: `username` needs `password`: write it, best as `${NAME}`",
          "r.yaml:14:79: `-1` is out of range: write a number from 0 to 65535",
          "r.yaml:14:98: `1ms` is out of range: write 100ms to 1h",
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, redis: { address: \"rediss://127.0.0.1:22379\" }, fail: open }] }",
        [
          "r.yaml:14:52: the gateway speaks no TLS to Redis: write `HOST:PORT` of a tunnel on this machine, or `unix:/PATH`"
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, redis: { address: \"redis://127.0.0.1:6379/1\" }, fail: open }] }",
        [
          "r.yaml:14:52: a Redis is named by its address and not by a URL: write `HOST:PORT`, and what else the URL says in keys of its own"
        ]
      ),
      (
        "revocation: { feeds: [{ name: a, redis: { address: h, password: \"${NOT_SET}\" }, fail: open }] }",
        [
          "r.yaml:14:52: `h` has no port: write `HOST:PORT`",
          "r.yaml:14:65: the environment variable `NOT_SET` is not set: set it, or write `${NOT_SET:-default}`",
        ]
      ),
      (
        "revocation: { feeds: [{ name: denied, file: f, fail: open }], store_logouts: denid }",
        [
          "r.yaml:14:78: there is no feed `denid`: did you mean `denied`?"
        ]
      ),
      (
        "revocation: { feeds: [{ name: denied, file: f, fail: open }], store_logouts: denied }",
        [
          "r.yaml:14:78: the feed `denied` is a file, which its writer replaces: name a feed of `redis`"
        ]
      ),
    ] as [(String, [String])])
  func broken(yaml: String, expected: [String]) {
    #expect(errors(Sample.all + yaml + "\n") == expected)
  }

  @Test("logouts nobody listens to, and a listener that listens to nobody")
  func unheard() {
    #expect(
      errors(Self.logout.replacing("    serve: logout\n", with: "") + Sample.token + Sample.backends + Sample.routes) == [
        "r.yaml:9:11: `main` has `backchannel_logout`, and no listener takes it: write a listener with `serve: logout`"
      ])
    #expect(
      errors(
        Self.logout.replacing("    backchannel_logout: { client_ids: [web, mobile], keep: 12h, ends: user }\n", with: "")
          + Sample.token + Sample.backends + Sample.routes) == [
          "r.yaml:2:11: `serve: logout` has nobody to listen to: write `backchannel_logout: {}` in an identity provider"
        ])
    #expect(
      errors(
        Self.logout.replacing("keep: 12h, ends: user", with: "keep: 1s, ends: all, kep: 1") + Sample.token + Sample.backends
          + Sample.routes) == [
          "r.yaml:15:60: `1s` is out of range: write 1m to 720h", "r.yaml:15:70: unknown value `all`: write `session` or `user`",
          "r.yaml:15:75: unknown key `kep`: did you mean `keep`?",
        ])
  }
}
