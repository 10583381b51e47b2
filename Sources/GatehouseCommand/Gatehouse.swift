import ArgumentParser
import Gateway

/// The `gatehouse` command: one subcommand a file.
struct Gatehouse: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gatehouse",
    abstract: "An API gateway: access tokens in, mutual TLS and internal tokens out.",
    discussion: """
      First steps:  gatehouse demo
      Exit codes:   0 done, 1 failed while running, 2 bad configuration or usage.
      """,
    version: BuildInformation.text,
    subcommands: [
      RunCommand.self, CheckCommand.self, CertsCommand.self, KeysCommand.self, APIKeyCommand.self, TokenCommand.self,
      DemoCommand.self,
    ])
}
