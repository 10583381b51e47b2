import ArgumentParser
import Gateway

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say whether a configuration is good.",
    discussion: "Looks at everything a start would, files, keys and certificates included, and reports all errors at once.")

  @OptionGroup var options: ConfigurationOptions

  func run() throws { throw ExitCode(Supervisor.check(path: options.config).rawValue) }
}
