import Foundation
import Testing

@Suite("What the documents say")
struct DocumentsTests {
  static let documents = ["README.md", "docs/configuration.md", "docs/errors.md", "docs/security.md"]

  @Test("every make target that a document names exists", arguments: documents)
  func makeTargets(document: String) throws {
    let targets = Set(
      try Repository.text("Makefile").split(separator: "\n").compactMap { $0.firstMatch(of: /^([a-z]+):/).map { String($0.output.1) } })
    for match in try Repository.text(document).matches(of: /\bmake ([a-z]+)`?(?:\s|$|,|\.|;|\))/) where isCommand(match.output.0) {
      #expect(targets.contains(String(match.output.1)), "\(document) names `make \(match.output.1)`")
    }
  }

  @Test("every subcommand that a document names exists", arguments: documents)
  func subcommands(document: String) throws {
    let sources = try Repository.swiftFiles("Sources/GatehouseCommand").map(\.text).joined(separator: "\n")
    let names = Set(sources.matches(of: /commandName: "([a-z-]+)"/).map { String($0.output.1) })
    #expect(!names.isEmpty)
    // At the start of a line of a code block, or between backticks; not "the gatehouse binary".
    for match in try Repository.text(document).matches(of: /(?:^|`|\$ |release\/)gatehouse ([a-z][a-z-]*)/.anchorsMatchLineEndings()) {
      #expect(names.contains(String(match.output.1)), "\(document) names `gatehouse \(match.output.1)`")
    }
  }

  @Test("every file that a document links to exists", arguments: documents)
  func links(document: String) throws {
    let folder = Repository.root.appendingPathComponent(document).deletingLastPathComponent()
    for match in try Repository.text(document).matches(of: /\]\(([^)#]+)(?:#[^)]*)?\)/) where !match.output.1.contains("://") {
      let path = folder.appendingPathComponent(String(match.output.1)).path
      #expect(FileManager.default.fileExists(atPath: path), "\(document) links to \(match.output.1)")
    }
  }

  /// "make demo" in code, not "make sure" in prose: what follows `make` is in backticks or the line begins with it.
  private func isCommand(_ text: Substring) -> Bool {
    let before = text.startIndex > text.base.startIndex ? text.base[text.base.index(before: text.startIndex)] : "\n"
    return before == "`" || before == "\n" || text.base[..<text.startIndex].hasSuffix("$ ")
  }
}
