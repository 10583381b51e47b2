import ArgumentParser
import Gateway

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say whether a configuration is good.",
    discussion: """
      Reads and checks everything a start would, files, keys and certificates included, and reports all errors at once. \
      Asks name servers, and connects to nothing else; opens no listener. Warnings leave the exit code at 0.
      """)

  @OptionGroup var options: ConfigurationOptions

  func run() throws { throw ExitCode(Supervisor.check(path: options.config).rawValue) }
}
