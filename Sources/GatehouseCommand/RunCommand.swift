import ArgumentParser
import Foundation
import Gateway

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run the gateway in the foreground.",
    discussion: """
      SIGHUP   reads the configuration, certificates and keys again; what is in force stays if anything is wrong.
      SIGTERM  and SIGINT stop accepting, finish what is in flight, and exit.
      SIGUSR1  opens log files again.
      """)

  @OptionGroup var options: ConfigurationOptions

  func run() throws { Supervisor.run(path: options.config).end() }
}

extension Supervisor.Exit {
  /// Ends the process. Not with `exit`: a worker that has said its last may still be ending, and OpenSSL would take down beneath it what
  /// its thread gives back.
  func end() -> Never { _exit(rawValue) }
}

/// Where the configuration is.
struct ConfigurationOptions: ParsableArguments {
  @Option(help: "A directory of *.yaml files, or one file.") var config = "Routes"
}
