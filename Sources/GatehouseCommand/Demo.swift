import Development
import Foundation
import Gateway

/// A gateway with all that it needs around it, in this process.
struct Demo {
  private let workspace: DemoWorkspace
  private let ports: DemoPorts
  private let issuer: DevelopmentIssuer
  private let identityProvider: DevelopmentIdentityProvider
  private let backends: [EchoBackend]

  /// Binds the ports of everything but the gateway, so that errors come before anything runs.
  init(workspace: DemoWorkspace, ports: DemoPorts) throws {
    self.workspace = workspace
    self.ports = ports
    issuer = try DevelopmentIssuer(issuer: ports.issuer, directory: workspace.certificates)
    identityProvider = try DevelopmentIdentityProvider(issuer: issuer, host: "127.0.0.1", port: ports.identityProvider)
    backends = try [("orders", ports.orders), ("users", ports.users)].map { name, port in
      try EchoBackend(EchoBackend.Settings(name: name, host: "127.0.0.1", port: port, directory: workspace.certificates))
    }
  }

  /// Serves until a signal ends it.
  func run() throws -> Supervisor.Exit {
    for (name, value) in ports.environment { setenv(name, value, 1) }
    let token = try issuer.token(DevelopmentIssuer.Grant(), now: Int64(Date().timeIntervalSince1970))
    // Threads inherit the signal mask. The supervisor has blocked its signals by the time it is ready; a thread made earlier
    // would take a Ctrl-C for itself, and die of it with the process.
    return Supervisor.run(path: workspace.routes) {
      identityProvider.start()
      for backend in backends { backend.start() }
      Terminal.say(introduction(token: token))
    }
  }

  /// One word of a shell's.
  private static func quoted(_ path: String) -> String {
    let isPlain = path.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x2f, 0x5f].contains($0) }
    return isPlain ? path : "'" + path.replacing("'", with: "'\\''") + "'"
  }

  /// Takes the token out of the identity provider's answer.
  private static let extraction = #"sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p'"#

  private func introduction(token: String) -> String {
    // Another terminal is in another directory.
    let authority = URL(fileURLWithPath: "\(workspace.certificates)/public-ca.crt").standardizedFileURL.path
    let curl = "curl --cacert \(Self.quoted(authority))"
    let edge = "https://localhost:\(ports.edge)"
    return """

      Gatehouse is running, with two backends and an identity provider behind it. In another terminal:

      1. With a token, a request reaches the orders backend, which says who called:

        \(curl) -H 'Authorization: Bearer \(token)' \(edge)/orders/7

      2. Without one, it is refused:

        \(curl) \(edge)/orders/7

      3. With a token for someone else (sub, scope, roles, tenant):

        TOKEN=$(curl -s 'http://localhost:\(ports.identityProvider)/token?sub=carol&roles=admin' | \(Self.extraction))
        \(curl) -H "Authorization: Bearer $TOKEN" \(edge)/orders/7

      Routes    \(workspace.routes)/*.yaml   edit, then: kill -HUP \(ProcessInfo.processInfo.processIdentifier)
      Metrics   http://localhost:\(ports.admin)/metrics
      Keys      http://localhost:\(ports.admin)/.well-known/jwks.json
      Ctrl-C ends it. What follows is the access log.

      """
  }
}
