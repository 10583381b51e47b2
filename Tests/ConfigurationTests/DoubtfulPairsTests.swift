import Testing

@testable import Configuration

@Suite("Values that make no sense together")
struct DoubtfulPairsTests {
  /// A sample with one thing changed, on a machine of four cores, and everything that is warned of.
  private func warnings(_ yaml: String, workers: DoubtfulPairs.Workers = .written(processors: 4)) throws -> [String] {
    let source = ConfigurationSource(name: "r.yaml", bytes: Array(yaml.utf8))
    switch ConfigurationLoader.load(files: [source], environment: [:], workers: workers) {
    case .loaded(let loaded): return loaded.warnings.map(\.warning)
    case .rejected(let diagnostics):
      Issue.record("\(diagnostics.map(\.description).joined(separator: "\n"))")
      throw Rejected()
    }
  }

  private func listener(_ text: String) -> String {
    Sample.all.replacing("edge.key }] }\n", with: "edge.key }] }\n    \(text)\n")
  }
  private func provider(_ text: String) -> String { Sample.all.replacing("{ name: main,", with: "{ name: main, \(text),") }
  private func backend(_ text: String) -> String {
    Sample.all.replacing("{ name: orders, endpoints", with: "{ name: orders, \(text), endpoints")
  }
  private func route(_ text: String) -> String { Sample.all.replacing("backend: orders }", with: "\(text), backend: orders }") }

  @Test("defaults, and examples that write them out, go together")
  func defaults() throws {
    #expect(try warnings(Sample.all) == [])
    #expect(try warnings(LoadingTests.example) == [])
    #expect(try warnings(route("timeout: 1s")) == [])
    #expect(try warnings(route("body: { maximum: 100 }")) == [])
  }

  @Test("an authority for clients' certificates that nobody is asked for")
  func clientAuthority() throws {
    let yaml = Sample.all.replacing("tls: { certificates: [{", with: "tls: { client_ca: ca, certificates: [{")
    #expect(
      try warnings(yaml) == [
        "r.yaml:4:23: warning: nobody is asked for a certificate, since `client_auth` is not written: write `client_auth: required` or "
          + "`optional`, or `none` if this is meant"
      ])
    #expect(try warnings(yaml.replacing("client_ca: ca,", with: "client_ca: ca, client_auth: none,")) == [])
    #expect(try warnings(yaml.replacing("client_ca: ca,", with: "client_ca: ca, client_auth: required,")) == [])
  }

  @Test("proxies that are everybody")
  func trustedProxies() throws {
    let everybody =
      "every client is trusted: whoever connects may say in X-Forwarded-For who he is. Write the networks of your proxies alone"
    #expect(try warnings(listener("trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]")) == ["r.yaml:5:35: warning: \(everybody)"])
    #expect(try warnings(listener("trusted_proxies: [\"::/0\"]")) == ["r.yaml:5:23: warning: \(everybody)"])
    #expect(try warnings(listener("trusted_proxies: [0.0.0.0/8, \"::1\", unix]")) == [])
  }

  @Test("a bound for each client that is no less than the one for all")
  func connectionsPerClient() throws {
    #expect(
      try warnings(listener("limits: { connections: 400, connections_per_client: 100 }")) == [
        "r.yaml:5:57: warning: one client may have every connection: each worker has 100 of `connections`. Write less than 100, or more "
          + "`connections`"
      ])
    #expect(try warnings(listener("limits: { connections: 400, connections_per_client: 99 }")) == [])
    #expect(
      try warnings("process: { workers: 1 }\n" + listener("limits: { connections: 400, connections_per_client: 399 }")) == [])
  }

  @Test("a process that runs has the workers that it has, whatever is written for the next")
  func runningWorkers() throws {
    let yaml = "process: { workers: 1 }\n" + listener("limits: { connections: 400, connections_per_client: 100 }")
    #expect(try warnings(yaml) == [])
    #expect(try warnings(yaml, workers: .running(2)) == [])
    #expect(try warnings(yaml, workers: .running(4)).first?.contains("each worker has 100 of `connections`") == true)
    #expect(try warnings(yaml.replacing("workers: 1", with: "workers: 8"), workers: .running(2)) == [])
  }

  @Test("tokens that no listener's heads have room for")
  func tokens() throws {
    #expect(
      try warnings(provider("maximum_token_bytes: 32KiB")) == [
        "r.yaml:6:40: warning: a request with such a token is refused before, since no listener takes a head of more than 32KiB: write "
          + "more in `header_bytes` of a listener, or less here"
      ])
    #expect(try warnings(provider("maximum_token_bytes: 31KiB")) == [])
  }

  @Test("tokens that are bound to certificates, where nobody is asked for one")
  func certificates() throws {
    let yaml = provider("proof_of_possession: { certificate: required }")
    #expect(
      try warnings(yaml) == [
        "r.yaml:6:55: warning: every token is refused, since no listener asks for a certificate: write `client_auth: required` or "
          + "`optional`, and `client_ca`, in the `tls` of a listener"
      ])
    #expect(try warnings(yaml.replacing("certificate: required", with: "certificate: optional")) == [])
    for word in ["required", "optional"] {
      let asking = "tls: { client_ca: ca, client_auth: \(word), certificates: [{"
      #expect(try warnings(yaml.replacing("tls: { certificates: [{", with: asking)) == [])
    }
  }

  @Test("an issuer with a space that nobody sees", arguments: ["https://idp.example.com/ ", " https://idp.example.com/"])
  func issuers(issuer: String) throws {
    #expect(
      try warnings(Sample.all.replacing("issuer: https://idp.example.com/,", with: "issuer: \"\(issuer)\",")) == [
        "r.yaml:6:27: warning: the issuer begins or ends with a space, which its tokens' `iss` would have to have: leave it out"
      ])
  }

  @Test("a port of a host, which is not compared")
  func ports() throws {
    func hosts(_ text: String) -> String { Sample.all.replacing("match: { path", with: "match: { hosts: [\(text)], path") }
    #expect(
      try warnings(hosts("\"a.example.com\", \"localhost:9999\", \"[::1]:1\", \"*.example.com:443\"")) == [
        "r.yaml:13:55: warning: the port changes nothing, since a host is compared without it: write `localhost`",
        "r.yaml:13:73: warning: the port changes nothing, since a host is compared without it: write `[::1]`",
        "r.yaml:13:84: warning: the port changes nothing, since a host is compared without it: write `*.example.com`",
      ])
    #expect(try warnings(hosts("\"[::1]\", \"*.example.com\", \"a.example.com.\"")) == [])
  }

  @Test("paths that other gateways read as patterns", arguments: [
    ("/users/[0-9]+", "[0-9]+"), ("/(a|b)/**", "(a|b)"), ("/^x", "^x"),
  ])
  func regularExpressions(path: String, segment: String) throws {
    #expect(
      try warnings(Sample.all.replacing("path: /orders/**", with: "path: \"\(path)\"")) == [
        "r.yaml:13:36: warning: `\(segment)` is taken as it stands and not as a regular expression: write `{name}` for one segment, or "
          + "`/**` at the end for all"
      ])
  }

  @Test("a parameter as others write it")
  func parameters() throws {
    #expect(
      try warnings(Sample.all.replacing("path: /orders/**", with: "path: \"/orders/:id\"")) == [
        "r.yaml:13:36: warning: `:id` is taken as it stands: write `{id}` if any one segment is meant"
      ])
    for path in ["/orders/{id}", "/v1/orders:cancel", "/Orders(1)/$value", "/c++/:"] {
      #expect(try warnings(Sample.all.replacing("path: /orders/**", with: "path: \"\(path)\"")) == [])
    }
  }

  @Test("a prefix that no path of the route has")
  func prefixes() throws {
    func stripping(_ prefix: String, of path: String) -> String {
      route("rewrite: { strip_prefix: \(prefix) }").replacing("path: /orders/**", with: "path: \"\(path)\"")
    }
    for (prefix, path) in [("/orders", "/users/**"), ("/a/b", "/a"), ("/a/b", "/a/c/**"), ("/a/b", "/{x}/c")] {
      let told = try warnings(stripping(prefix, of: path))
      #expect(told.count == 1 && told[0].hasSuffix(
        "warning: no path of this route begins with `\(prefix)`, so nothing is removed: write the front of `\(path)`, or leave it out"))
    }
    for (prefix, path) in [
      ("/a", "/a"), ("/a", "/a/**"), ("/a/b", "/a/**"), ("/a/b", "/{x}/b/c"), ("/a", "/**"), ("/caf%c3%a9", "/caf%C3%A9/x"),
    ] {
      #expect(try warnings(stripping(prefix, of: path)) == [])
    }
  }

  @Test("a client's share of one connection")
  func clientShare() throws {
    #expect(
      try warnings(backend("limits: { connections: 40, client_share: 10% }")) == [
        "r.yaml:11:62: warning: a client has one connection at a time, since each worker has 10 of `connections`: write 11% or more, "
          + "or more `connections`"
      ])
    #expect(try warnings(backend("limits: { connections: 40, client_share: 11% }")) == [])
    #expect(try warnings(backend("protocol: h2, limits: { connections: 40, client_share: 10% }")) == [])
    #expect(try warnings(backend("limits: { connections: 4, client_share: 10% }")) == [])
  }

  @Test("one HTTP/2 connection for everybody")
  func oneWindow() throws {
    let warning =
      "warning: one client that does not take its answers can have all others of a worker wait, since a worker has one connection, "
      + "whose window they share: write "
    // Four workers, of which the last has one.
    for connections in [1, 4, 7] {
      #expect(
        try warnings(backend("protocol: h2, limits: { connections: \(connections) }")) == [
          "r.yaml:11:58: \(warning)8 or more, or fewer `workers`"
        ])
    }
    #expect(
      try warnings(backend("protocol: h2, limits: { connections: 1 }"), workers: .running(1)) == ["r.yaml:11:58: \(warning)2 or more"])
    #expect(try warnings(backend("protocol: h2, limits: { connections: 8 }")) == [])
    #expect(try warnings(backend("protocol: h2, limits: { connections: 2 }"), workers: .running(1)) == [])
    // A connection of HTTP/1.1 has no window, and is one request's.
    #expect(try warnings(backend("protocol: http/1.1, limits: { connections: 4 }")) == [])
    // What nobody has written is not doubted.
    #expect(try warnings(backend("protocol: h2"), workers: .running(200)) == [])
  }

  @Test("a backend that is waited for longer than every route to it allows")
  func backendTimeouts() throws {
    let yaml = backend("timeouts: { connect: 3s, response: 1m, idle: 60s }").replacing(
      "backend: orders }", with: "backend: orders, timeout: 20s }")
    #expect(
      try warnings(yaml) == [
        "r.yaml:11:56: warning: no route to `orders` waits so long: the longest `timeout` is 20s. Write a longer one there, or no more here"
      ])
    let second = "  - { name: b, match: { path: /b }, authenticate: none, backend: orders }\n"
    #expect(try warnings(yaml + second) == [])
    #expect(try warnings(yaml + second.replacing("/b }", with: "/b }, timeout: 30s")).count == 1)
    #expect(try warnings(yaml.replacing("timeout: 20s", with: "timeout: 1m") + "process: { drain: 1m }\n") == [])
  }

  @Test("a drain that is shorter than a request may be")
  func drain() throws {
    #expect(
      try warnings(route("timeout: 2m")) == [
        "r.yaml:13:107: warning: a restart cuts off what takes longer than `drain` of `process`, 30s unless written: write `drain: 2m` "
          + "there, or a shorter `timeout`"
      ])
    #expect(
      try warnings(route("timeout: 2m") + "process: { drain: 1m }\n") == [
        "r.yaml:14:19: warning: a restart cuts off requests of the route `orders`, whose `timeout` is 2m: write `drain: 2m`, or a shorter "
          + "`timeout`"
      ])
    // As short as can be is meant so; and none is as long as a day.
    #expect(try warnings(route("timeout: 2m") + "process: { drain: 0s }\n") == [])
    #expect(try warnings(route("timeout: 24h")) == [])
  }

  @Test("more gathered than is let in")
  func gather() throws {
    #expect(
      try warnings(route("body: { maximum: 1MiB, gather: 2MiB }")) == [
        "r.yaml:13:129: warning: more is gathered than the `maximum` lets in: write 1MiB or less, or a larger `maximum`"
      ])
    #expect(try warnings(route("body: { maximum: 1MiB, gather: 1MiB }")) == [])
  }

  @Test("content that cannot come in time")
  func content() throws {
    #expect(
      try warnings(route("body: { maximum: 5GiB }")) == [
        "r.yaml:13:115: warning: so much comes within `body_total` of the listener, 10m, only if it is sent at 8738KiB/s: write "
          + "`total: 342m` beside it, or a smaller `maximum`"
      ])
    #expect(
      try warnings(route("body: { maximum: 1MiB, total: 2s }")) == [
        "r.yaml:13:115: warning: so much comes within `total`, 2s, only if it is sent at 512KiB/s: write `total: 1m` beside it, or a "
          + "smaller `maximum`"
      ])
    #expect(
      try warnings(route("body: { maximum: 1024GiB }")).first?.contains("write `total: 0`, which is no bound, beside it") == true)
    #expect(try warnings(route("body: { maximum: 5GiB, total: 0 }")) == [])
    #expect(try warnings(route("body: { maximum: 5GiB, total: 342m }")) == [])
    #expect(try warnings(route("body: { maximum: 100MiB }")) == [])
    // gRPC towards a backend that may speak HTTP/2 has all the time that it wants.
    let large = route("body: { maximum: 5GiB }")
    let shared = large.replacing("{ name: orders, endpoints", with: "{ name: orders, protocol: h2, endpoints")
    let either = large
    let http1 = large.replacing("{ name: orders, endpoints", with: "{ name: orders, protocol: http/1.1, endpoints")
    #expect(try warnings(shared) == [])
    for match in ["path: /orders.v1.Orders/**", "path: /**, headers: { Content-Type: application/grpc }"] {
      #expect(try warnings(either.replacing("path: /orders/**", with: match)) == [])
      #expect(try warnings(http1.replacing("path: /orders/**", with: match)).count == 1)
    }
    // Whoever is let in at no less than 2MiB/s has that in time, and the rest not.
    #expect(try warnings(route("body: { maximum: 1GiB, rate: 2MiB/s }")) == [])
    #expect(try warnings(route("body: { maximum: 2GiB, rate: 2MiB/s }")).count == 1)
  }
}
