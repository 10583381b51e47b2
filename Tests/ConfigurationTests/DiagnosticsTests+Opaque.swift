import Testing

@testable import Configuration

extension DiagnosticsTests {
  private static let introspecting = """
      - name: opaque
        issuer: https://opaque.example.com/
        introspection:
          url: https://opaque.example.com/introspect
          client_id: gatehouse
          client_secret: secret

    """

  private static func opaque(_ text: String, with replacement: String, _ expected: [String]) -> Broken {
    Broken("internal_token:\n", with: introspecting.replacing(text, with: replacement) + "internal_token:\n", expected)
  }

  private static func keys(_ row: String, _ expected: [String]) -> Broken {
    Broken("internal_token:\n", with: "  - \(row)\ninternal_token:\n", expected)
  }

  @Test(
    "what is wrong with `introspection` is told with file, line, column and what to write",
    arguments: [
      opaque(
        "https://opaque.example.com/introspect", with: "http://opaque.example.com/introspect",
        [
          "r.yaml:10:12: `http://opaque.example.com/introspect` is no https URL: tokens and the gateway's secret are sent there, over TLS "
            + "that is checked"
        ]),
      opaque(
        "      url: https://opaque.example.com/introspect\n      client_id: gatehouse\n", with: "",
        [
          "r.yaml:10:7: `client_id` is missing: write the name under which the gateway is known there",
          "r.yaml:10:7: `url` is missing: write the introspection endpoint, such as `https://idp.example.com/oauth2/introspect`",
        ]),
      opaque(
        "      client_secret: secret\n", with: "",
        [
          "r.yaml:10:7: how the gateway shows who it is is missing: write `client_secret: ${…}`, or `certificate` and `key`"
        ]),
      opaque(
        "client_secret: secret", with: "client_secret: secret\n      certificate: gw.crt\n      key: gw.key",
        [
          "r.yaml:13:20: the gateway shows either a secret or a certificate: leave `client_secret` or `certificate` and `key` out"
        ]),
      opaque(
        "client_secret: secret", with: "certificate: gw.crt",
        [
          "r.yaml:10:7: `key` is missing: write the file of the certificate's private key"
        ]),
      opaque(
        "client_secret: secret",
        with:
          "client_secret: secret\n      cache: 6m\n      inactive_cache: 2m\n      timeout: 6s\n      concurrency: 65\n      rate: 10/h",
        [
          "r.yaml:13:14: `6m` is out of range: write 0s to 5m",
          "r.yaml:14:23: `2m` is out of range: write 0s to 1m",
          "r.yaml:15:16: `6s` is out of range: write 100ms to 5s",
          "r.yaml:16:20: `65` is out of range: write a number from 1 to 64",
          "r.yaml:17:13: `10/h` is no rate: write a number and `/s` or `/m`, such as `100/s`",
        ]),
      opaque(
        "client_secret: secret", with: "client_secret: secret\n      rate: 0/s\n      cach: 1s",
        [
          "r.yaml:13:13: `0/s` is out of range: write 1 to 100000 in a second or minute",
          "r.yaml:14:7: unknown key `cach`: did you mean `cache`?",
        ]),
      opaque(
        "    introspection:", with: "    algorithms: [ES256]\n    token_types: [JWT]\n    secret: x\n    introspection:",
        [
          "r.yaml:9:17: `algorithms` is for tokens that are signed: leave it out, the issuer is asked about each token",
          "r.yaml:10:18: `token_types` is for tokens that are signed: leave it out, the issuer is asked about each token",
          "r.yaml:11:13: `secret` is for tokens that are signed: leave it out, the issuer is asked about each token",
        ]),
      opaque(
        "    introspection:", with: "    jwks: { file: x }\n    introspection:",
        [
          "r.yaml:11:7: `jwks` and `introspection` are two ways to check tokens: write two providers, and both in `authenticate`"
        ]),
      Broken("authenticate: [main]", with: "authenticate: [main, one, two]", []).adding(
        [("one", "https://one.example.com/"), ("two", "https://two.example.com/")],
        [
          "r.yaml:15:5: `one` and `two` are both asked about tokens, and nothing says which of them to ask: authenticate with one of them"
        ]),
    ])
  func introspection(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test(
    "what is wrong with `api_keys` is told with file, line, column and what to write",
    arguments: [
      keys(
        "{ name: machines, api_keys: { fil: keys.yaml } }",
        [
          "r.yaml:7:35: unknown key `fil`: did you mean `file`?"
        ]),
      keys(
        "{ name: machines, api_keys: {} }",
        [
          "r.yaml:7:33: `file` is missing: write the file of the keys' hashes; `gatehouse apikey new` makes entries"
        ]),
      keys(
        "{ name: machines, audiences: [a], leeway: 1s, api_keys: { file: f } }",
        [
          "r.yaml:7:34: `audiences` is for access tokens: leave it out, an API key has none of it",
          "r.yaml:7:47: `leeway` is for access tokens: leave it out, an API key has none of it",
        ]),
      keys(
        "{ name: machines, api_keys: { file: f }, token_from: [{ header: Authorization, scheme: Key }] }",
        [
          "r.yaml:7:58: an API key stands in a header of its own: write `[{ header: X-API-Key }]`, with a name of your choice"
        ]),
      keys(
        "{ name: machines, api_keys: { file: f }, token_from: [{ query: key }] }",
        [
          "r.yaml:7:58: an API key stands in a header of its own: write `[{ header: X-API-Key }]`, with a name of your choice"
        ]),
      keys(
        "{ name: machines, api_keys: { file: f }, token_from: [{ header: X-Internal-Token }] }",
        [
          "r.yaml:7:13: `machines` reads access tokens from `X-Internal-Token`, the internal token's header: write another name"
        ]),
    ])
  func apiKeys(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test("providers that are asked and providers of keys load, with their defaults")
  func opaqueProviders() throws {
    let yaml = Sample.all.replacing(
      "internal_token:\n",
      with: Self.introspecting + "  - { name: machines, api_keys: { file: ../keys.yaml } }\ninternal_token:\n")
    let providers = try loaded(yaml).identityProviders
    let asked = try #require(providers[1].introspection)
    #expect(
      asked.url.text == "https://opaque.example.com/introspect" && asked.clientID == "gatehouse" && asked.secret == "secret")
    #expect(asked.cache == 30_000 && asked.inactiveCache == 10_000 && asked.timeout == 2_000 && asked.concurrency == 8)
    #expect(asked.rate == RateSettings(count: 100, period: 1_000) && providers[1].audiences.isEmpty)
    #expect(providers[2].apiKeyFile?.value == "Routes/../keys.yaml" && providers[2].issuer.value == "machines")
    #expect(providers[2].tokenFrom == [.header(name: "X-API-Key", scheme: nil)])
  }
}

extension Broken {
  /// The same with two more providers that are asked.
  fileprivate func adding(_ providers: [(name: String, issuer: String)], _ expected: [String]) -> Broken {
    let rows = providers.map {
      "  - { name: \($0.name), issuer: \"\($0.issuer)\", introspection: { url: \"\($0.issuer)\", client_id: a, client_secret: b } }\n"
    }
    return Broken(yaml.replacing("internal_token:\n", with: rows.joined() + "internal_token:\n"), expected)
  }
}
