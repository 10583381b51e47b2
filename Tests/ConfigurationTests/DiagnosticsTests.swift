import Testing

@testable import Configuration

@Suite("Diagnostics")
struct DiagnosticsTests {
  @Test(
    "what is wrong with the files themselves is told with file, line, column and what to write",
    arguments: [
      Broken("routes:\n", with: "routess:\n", [
        "r.yaml:12:1: unknown key `routess`: did you mean `routes`?",
      ]),
      Broken("orders:9443], tls", with: "orders:9443], tsl: 1, tls", [
        "r.yaml:11:47: unknown key `tsl`: did you mean `tls`?",
      ]),
      Broken("    address: 0.0.0.0:8443", with: "    adress: 0.0.0.0:8443", [
        "r.yaml:3:5: unknown key `adress`: did you mean `address`?",
      ]),
      Broken("    address: 0.0.0.0:8443\n", with: "", [
        "r.yaml:2:5: `address` is missing: write `0.0.0.0:8443`",
      ]),
      Broken(adding: "\tprocess: {}\n", [
        "r.yaml:14:1: YAML: while scanning for the next token at line 14, found character that cannot start any token: "
          + "indent with spaces, not tabs",
      ]),
      Broken(adding: "process: {\n", [
        "r.yaml:15:1: YAML: while parsing a flow node at line 15, did not find expected node content",
      ]),
      Broken(adding: "---\nprocess: {}\n", [
        "r.yaml:14:1: YAML: a file holds one document: leave `---` out",
      ]),
      Broken(adding: "process: { workers: 1, workers: 2 }\n", [
        "r.yaml:14:12: `workers` is written twice in one mapping: keep one",
      ]),
      Broken(adding: "admin: *nobody\n", [
        "r.yaml:14:8: YAML: found undefined alias",
      ]),
      Broken(adding: "process:\n  <<: { workers: 1 }\n", [
        "r.yaml:15:3: merge keys (`<<`) are not supported: write the keys out",
      ]),
      Broken(adding: "process: [1]\n", [
        "r.yaml:14:10: expected a mapping, such as `{ workers: …, drain: …, log_level: … }`",
      ]),
      Broken(adding: "? [a]\n: b\n", [
        "r.yaml:14:3: a key is a plain name",
      ]),
      Broken("listeners:\n", with: "listeners: public\nx:\n", [
        "r.yaml:1:12: expected a list, such as `[{ name: … }]`",
        "r.yaml:2:1: unknown key `x`: known: `listeners`, `identity_providers`, `backends`, `routes`, `process`, "
          + "`access_log`, `admin`, `internal_token`, `merge_slashes`, `path_parameters`, `revocation`",
      ]),
      Broken("", [
        "r.yaml:1:1: there are no `listeners`: write one at least",
        "r.yaml:1:1: there are no `routes`: write one at least",
      ]),
      Broken("just text", [
        "r.yaml:1:1: expected a mapping, such as `{ listeners: …, identity_providers: …, backends: … }`",
      ]),
      Broken("a: \"\\q\"", [
        "r.yaml:1:5: YAML: while parsing a quoted scalar at line 1, found unknown escape character",
      ]),
    ])
  func structure(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test(
    "what is wrong with `process`, `access_log` and `admin` is told with file, line, column and what to write",
    arguments: [
      Broken(adding: "process: { workers: many, drain: 30, log_level: verbose }\n", [
        "r.yaml:14:21: `many` is no whole number: write one from 0 to 1024",
        "r.yaml:14:34: `30` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`",
        "r.yaml:14:49: unknown value `verbose`: write `trace`, `debug`, `info`, `notice`, `warning`, `error` or `critical`",
      ]),
      Broken(adding: "process: { workers: -1, drain: 25h }\n", [
        "r.yaml:14:21: `-1` is out of range: write a number from 0 to 1024",
        "r.yaml:14:32: `25h` is out of range: write 0s to 1h",
      ]),
      Broken(adding: "process: { gathered: 1KiB }\n", [
        "r.yaml:14:22: `1KiB` is out of range: write 1MiB to 1024GiB",
      ]),
      Broken(adding: "process: { proofs: 1000 }\n", [
        "r.yaml:14:20: `1000` is out of range: write a number from 1024 to 16777216",
      ]),
      Broken(adding: "access_log: {}\n", [
        "r.yaml:14:13: `path` is missing: write `-` for standard output, a file, or `off`",
      ]),
      Broken(adding: "access_log: { path: }\n", [
        "r.yaml:14:21: the value is missing",
      ]),
      Broken(adding: "admin: { address: 127.0.0.1:1, hosts: [ok.example, \"a/b\", \"*\"] }\n", [
        "r.yaml:14:52: a host is written without scheme and path, as in `api.example.com`",
        "r.yaml:14:59: `*` alone is no host pattern: leave `hosts` out for any host",
      ]),
      Broken(adding: "admin: { address: 127.0.0.1 }\n", [
        "r.yaml:14:19: `127.0.0.1` has no port: write `HOST:PORT`",
      ]),
      Broken(adding: "admin: { address: 0.0.0.0:8443 }\n", [
        "r.yaml:14:19: the address is already used at r.yaml:3:14: write another",
      ]),
      Broken(adding: "path_parameters: yes\n", [
        "r.yaml:14:18: unknown value `yes`: write `refuse` or `allow`",
      ]),
      Broken(adding: "merge_slashes: yes\n", [
        "r.yaml:14:16: `yes` is neither `true` nor `false`",
      ]),
    ])
  func process(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test(
    "what is wrong with the environment is told with file, line, column and what to write",
    arguments: [
      Broken("name: orders, match", with: "name: \"${NAME}\", match", [
        "r.yaml:13:13: the environment variable `NAME` is not set: set it, or write `${NAME:-default}`",
      ]),
      Broken("name: orders, match", with: "name: \"${NAME\", match", [
        "r.yaml:13:13: `${` is not closed: write `${NAME}`, or `$${` for a plain `${`",
      ]),
      Broken("name: orders, match", with: "name: \"${N-A}\", match", [
        "r.yaml:13:13: `N-A` is no name of an environment variable: write letters, digits and `_`, as in `${NAME}`",
      ]),
    ])
  func environment(_ broken: Broken) {
    #expect(errors(broken.yaml) == broken.expected)
  }

  @Test("everything that is wrong is told in one pass, in the order of the text")
  func onePass() {
    let yaml = Sample.all.replacing("0.0.0.0:8443", with: "x").replacing("[ES256]", with: "[none]")
      .replacing("server_name: orders", with: "server: orders").replacing("backend: orders", with: "backend: other")
    #expect(errors(yaml).map { $0.split(separator: ":")[1] } == ["3", "6", "11", "11", "13"])
  }

  @Test("two providers of one issuer on one route are refused when no audience tells their tokens apart")
  func sameIssuer() {
    let second = "  - { name: b, issuer: https://idp.example.com/, audiences: [x, api], algorithms: [ES256], jwks: { file: f } }\n"
    let yaml = Sample.all.replacing("internal_token:", with: second + "internal_token:").replacing("[main]", with: "[main, b]")
    #expect(
      errors(yaml) == [
        "r.yaml:14:71: `b` has the same issuer as `main` and no `audiences` of its own, so a token would not say whose it is: name one of them"
      ])
    #expect(errors(yaml.replacing("audiences: [x, api], algorithms", with: "audiences: [x], algorithms")) == [])
  }

  @Test("aliases that multiply are refused in bounded time")
  func aliasBomb() {
    var yaml = "routes:\n  - authorize:\n      any:\n        - &a0 { scopes: [s] }\n"
    for level in 1...14 {
      yaml += "        - &a\(level) { any: [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "] }\n"
    }
    #expect(errors(yaml).contains { $0.contains("aliases multiply") || $0.contains("nested deeper") })
    var keys = ""
    for level in 0...20 { keys += "a\(level): &k\(level) [\(level == 0 ? "x" : "*k\(level - 1), *k\(level - 1)")]\n" }
    keys += "? *k20\n: y\n"
    #expect(errors(keys) == ["r.yaml:1:1: aliases and keys that are no plain names do not go together: write the keys out"])
  }

  @Test("deep nesting, bytes that are no UTF-8 and NUL are refused")
  func hostile() {
    #expect(errors(String(repeating: "[", count: 5000)).count == 1)
    #expect(errors(String(repeating: "- ", count: 5000)).count >= 1)
    guard
      case .rejected(let diagnostics) = ConfigurationLoader.load(
        files: [ConfigurationSource(name: "x", bytes: [0x61, 0x3a, 0xff])], environment: [:])
    else {
      Issue.record("loaded")
      return
    }
    #expect(diagnostics.map(\.description) == ["x:1:1: the file is not UTF-8"])
    let nul = Sample.all.replacing("https://gateway.internal", with: "\"a\\0b\"")
    #expect(errors(nul) == ["r.yaml:8:11: the value has a NUL byte"])
    #expect(errors("a: \u{1}b").first?.hasPrefix("r.yaml:1:4: YAML: ") == true)
  }
}
