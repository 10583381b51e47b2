import ArgumentParser
import Development
import Foundation

/// The development identity provider by itself, for containers.
struct DemoIdentityProviderCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "identity-provider", abstract: "Run the development identity provider.",
    discussion: "Keys and certificates come from the directory that `gatehouse certs init` filled: --dir DIR, or Certs.",
    shouldDisplay: false)

  @Option(help: "HOST:PORT to listen on.") var address = "127.0.0.1:9000"
  @Option(help: "The `iss` of its tokens, and the base of the addresses it publishes.") var issuer = "http://localhost:9000"
  /// Its `--dir`: here the directory that `gatehouse certs init` filled.
  @ParentCommand var demo: DemoCommand

  func run() throws {
    let address = try ListenAddress(address)
    let provider = try DevelopmentIdentityProvider(
      issuer: DevelopmentIssuer(issuer: issuer, directory: demo.dir ?? "Certs"), host: address.host, port: address.port)
    ForegroundServer.run(named: "identity provider", at: self.address, start: provider.start)
  }
}
