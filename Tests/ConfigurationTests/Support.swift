import Testing

@testable import Configuration

/// Parts of configurations that load, for tests to break one at a time.
enum Sample {
  static let listeners = """
    listeners:
      - name: public
        address: 0.0.0.0:8443
        tls: { certificates: [{ certificate: ../Certs/edge.crt, key: ../Certs/edge.key }] }

    """
  static let providers = """
    identity_providers:
      - { name: main, issuer: https://idp.example.com/, audiences: [api], algorithms: [ES256], jwks: { file: idp.jwks.json } }

    """
  static let token = """
    internal_token:
      issuer: https://gateway.internal
      signing_keys: [{ kid: k1, algorithm: ES256, key: internal.key }]

    """
  static let backends = """
    backends:
      - { name: orders, endpoints: [orders:9443], tls: { ca: ca.crt, certificate: gw.crt, key: gw.key, server_name: orders } }

    """
  static let routes = """
    routes:
      - { name: orders, match: { path: /orders/** }, authenticate: [main], authorize: authenticated, backend: orders }

    """
  static let all = listeners + providers + token + backends + routes
}

func load(_ files: (String, String)..., environment: [String: String] = [:]) -> ConfigurationResult {
  ConfigurationLoader.load(
    files: files.map { ConfigurationSource(name: $0.0, bytes: Array($0.1.utf8)) }, environment: environment)
}

/// The errors of one file called `r.yaml`, as printed.
func errors(_ yaml: String, environment: [String: String] = [:]) -> [String] {
  switch load(("r.yaml", yaml), environment: environment) {
  case .loaded: []
  case .rejected(let diagnostics): diagnostics.map(\.description)
  }
}

func loaded(_ yaml: String, environment: [String: String] = [:]) throws -> GatewayConfiguration {
  switch load(("Routes/r.yaml", yaml), environment: environment) {
  case .loaded(let loaded): return loaded.configuration
  case .rejected(let diagnostics):
    Issue.record("\(diagnostics.map(\.description).joined(separator: "\n"))")
    throw Rejected()
  }
}

struct Rejected: Error {}
