import ArgumentParser
import Development

struct CertsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certs", abstract: "Make development certificates.", subcommands: [Initialise.self, Backend.self])

  struct Initialise: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "init", abstract: "Make a development PKI: two authorities, edge, gateway and backends.",
      discussion: "Never overwrites: a complete set is left as it is, and a partial one is an error.")

    @Option(help: "The directory to fill; made when it is not there.") var dir = "Certs"

    func run() throws {
      let pki = DevelopmentPKI(directory: dir)
      let outcome = try pki.make()
      let width = DevelopmentPKI.items.map(\.file.count).max() ?? 0
      print(outcome == .made ? "made in \(dir):" : "\(dir) is complete already, and nothing was touched:")
      for item in DevelopmentPKI.items {
        print("  \(item.file)\(String(repeating: " ", count: width - item.file.count))  \(item.purpose)")
      }
    }
  }

  struct Backend: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "backend", abstract: "Make a certificate for one more backend, signed by the mesh authority.")

    @Argument(help: "The backend's name: it gets NAME.crt and NAME.key.") var name: String
    @Option(help: "A DNS name besides NAME.internal, NAME and localhost; may be repeated.") var dns: [String] = []
    @Option(help: "The directory that `gatehouse certs init` filled.") var dir = "Certs"

    func run() throws {
      try DevelopmentPKI(directory: dir).addBackend(name, dnsNames: dns)
      print("made \(dir)/\(name).crt and \(dir)/\(name).key for \(DevelopmentPKI.spiffeID(name))")
    }
  }
}
