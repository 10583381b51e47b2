import ArgumentParser
import Development
import Foundation

/// One echo backend by itself, for containers.
struct DemoBackendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backend", abstract: "Run one mTLS echo backend.",
    discussion: "Keys and certificates come from the directory that `gatehouse certs init` filled: --dir DIR, or Certs.",
    shouldDisplay: false)

  @Option(help: "The backend's name, which is also its certificate's file name.") var name: String
  @Option(help: "HOST:PORT to listen on.") var address = "127.0.0.1:9443"
  /// Its `--dir`: here the directory that `gatehouse certs init` filled.
  @ParentCommand var demo: DemoCommand

  func run() throws {
    let address = try ListenAddress(address)
    let backend = try EchoBackend(
      EchoBackend.Settings(name: name, host: address.host, port: address.port, directory: demo.dir ?? "Certs"))
    ForegroundServer.run(named: "backend \(name)", at: self.address, start: backend.start)
  }
}
