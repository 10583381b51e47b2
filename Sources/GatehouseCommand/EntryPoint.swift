import ArgumentParser
import Development
import Foundation
import Tokens

/// Where the process begins, and the one place that turns errors into exit codes.
@main
enum EntryPoint {
  static func main() {
    // Whoever reads what is said may have gone: the exit code stands all the same.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try Gatehouse.parseAsRoot()
      try command.run()
    } catch let error as DevelopmentError {
      fail("\(error)", .failure)
    } catch let error as KeySetError {
      fail("\(error)", .failure)
    } catch {
      // ArgumentParser's usage errors are EX_USAGE (64); the contract says 2. Help and version arrive here too, as successes.
      let code = Gatehouse.exitCode(for: error)
      let message = Gatehouse.fullMessage(for: error)
      if code.isSuccess {
        print(message)
        exit(0)
      }
      if !message.isEmpty { Terminal.complain(message) }
      exit(code == .validationFailure ? ExitCode.badUsage.rawValue : code.rawValue)
    }
  }

  private static func fail(_ message: String, _ code: ExitCode) -> Never {
    Terminal.complain("gatehouse: \(message)")
    exit(code.rawValue)
  }
}

extension ExitCode {
  /// A bad configuration, or a command line that makes no sense.
  static let badUsage = ExitCode(2)
}
