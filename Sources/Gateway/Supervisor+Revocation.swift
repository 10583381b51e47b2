import Configuration
import Reactor
import Tokens

/// What is denied, on its way to the workers.
extension Supervisor {
  func followRevocation(_ built: BuiltSnapshot) throws(ListenFailure) {
    do throws(Errno) {
      try revocation.start(
        built.revocation, loop: loop, log: { [weak self] level, text in self?.logger.log(level: level, "\(text)") },
        publish: { [weak self] list in self?.workers.forEach { $0.post(.revocations(list)) } })
    } catch {
      throw ListenFailure(Diagnostic(SourceLocation(file: path, line: 1, column: 1), "cannot start: \(error)"))
    }
  }
}
