import ArgumentParser
import Development
import Foundation
import Gateway

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Run everything at once: gateway, two backends, an identity provider.",
    discussion: """
      Makes keys and certificates, starts an identity provider, two mTLS echo backends and the gateway in one process, all on the
      loopback interface, and prints curl lines that work. Ctrl-C ends it.
      """,
    subcommands: [DemoBackendCommand.self, DemoIdentityProviderCommand.self])

  @Option(help: "Keep keys and routes in DIR/Certs and DIR/Routes. Default: the checkout you are in, else a temporary directory.")
  var dir: String?
  @Option(help: "The gateway's port.") var port: UInt16 = 8443
  @Option(help: "The port of its admin listener.") var adminPort: UInt16 = 9901
  @Option(help: "The port of the orders backend.") var ordersPort: UInt16 = 9443
  @Option(help: "The port of the users backend.") var usersPort: UInt16 = 9444
  @Option(help: "The port of the identity provider.") var idpPort: UInt16 = 9000

  func run() throws {
    var ports = DemoPorts()
    ports.edge = port
    ports.admin = adminPort
    ports.orders = ordersPort
    ports.users = usersPort
    ports.identityProvider = idpPort
    try ports.check()
    let workspace = try DemoWorkspace(directory: dir)
    let end: Supervisor.Exit
    do {
      defer { workspace.remove() }
      end = try Demo(workspace: workspace, ports: ports).run()
    }
    end.end()
  }
}
