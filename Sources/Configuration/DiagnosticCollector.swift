/// Gathers what is wrong while decoding goes on, so that one pass reports everything.
final class DiagnosticCollector {
  /// A configuration that is wrong in more places is probably no configuration.
  static let maximum = 1000

  private var diagnostics: Set<Diagnostic> = []
  private var doubts: Set<Diagnostic> = []
  /// Position of each file in the order of reading.
  private var order: [String: Int] = [:]
  private var remainingNodes = 10_000

  var isEmpty: Bool { diagnostics.isEmpty }

  /// No file that spells everything out has more nodes than bytes; what goes beyond, aliases have multiplied.
  func register(file: String, bytes: Int) {
    order[file] = order[file] ?? order.count
    remainingNodes += 2 * bytes
  }

  func report(_ location: SourceLocation, _ message: String) {
    if diagnostics.count < Self.maximum { diagnostics.insert(Diagnostic(location, message)) }
  }

  /// Tells of what is no error, and yet probably not what was meant.
  func warn(_ location: SourceLocation, _ message: String) {
    if doubts.count < Self.maximum { doubts.insert(Diagnostic(location, message)) }
  }

  /// Aliases let a small file stand for an endless one: what is looked at, each time it is, counts.
  ///
  /// - Returns: false when too much has been looked at, which is reported at `location`.
  func spend(at location: SourceLocation) -> Bool {
    remainingNodes -= 1
    if remainingNodes == 0 { report(location, "the configuration is too large, or its aliases multiply: write less") }
    return remainingNodes > 0
  }

  func sorted() -> [Diagnostic] { sorted(diagnostics) }

  /// What was warned of, in the same order.
  func warnings() -> [Diagnostic] { sorted(doubts) }

  private func sorted(_ diagnostics: Set<Diagnostic>) -> [Diagnostic] {
    diagnostics.sorted { left, right in
      let (one, two) = (left.location, right.location)
      let (first, second) = (order[one.file] ?? .max, order[two.file] ?? .max)
      return (first, one.line, one.column, left.message) < (second, two.line, two.column, right.message)
    }
  }
}
