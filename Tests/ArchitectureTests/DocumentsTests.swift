import Foundation
import Testing

@Suite("What the documents say")
struct DocumentsTests {
  static let documents = [
    "README.md", "docs/configuration.md", "docs/errors.md", "docs/security.md", "docs/backends.md", "Examples/README.md",
    "Examples/SwiftBackend/README.md", "Examples/python/README.md", "Examples/nginx/README.md", "docs/performance.md",
    "docs/metrics.md", "docs/bounds.md", "docs/operating.md",
  ]

  @Test("every make target that a document names exists", arguments: documents)
  func makeTargets(document: String) throws {
    let targets = Set(
      try Repository.text("Makefile").split(separator: "\n").filter { $0.contains(":") }.map { $0.prefix { $0 != ":" } })
    for word in try Self.words(after: "make ", in: Repository.text(document)) {
      #expect(targets.contains(word), "\(document) names `make \(word)`")
    }
  }

  @Test("every subcommand that a document names exists", arguments: documents)
  func subcommands(document: String) throws {
    var names: Set<Substring> = ["help"]
    for file in try Repository.swiftFiles("Sources/GatehouseCommand") {
      for part in file.text.components(separatedBy: "commandName: \"").dropFirst() { names.insert(part.prefix { $0 != "\"" }) }
    }
    #expect(names.count > 1)
    for word in try Self.words(after: "gatehouse ", in: Repository.text(document)) {
      #expect(names.contains(word), "\(document) names `gatehouse \(word)`")
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

  @Test("the Swift that docs/backends.md shows is compiled")
  func backendSwift() throws {
    let parts = try Repository.text("docs/backends.md").components(separatedBy: "```swift\n").dropFirst()
      .compactMap { $0.components(separatedBy: "```").first }
    let compiled = try Repository.text("Tests/GatehouseBackendTests/DocumentedUse.swift")
    #expect(parts.count == 2)
    // The first is a manifest.
    for line in parts.dropFirst().joined().split(separator: "\n") {
      #expect(compiled.contains(line), "not in DocumentedUse.swift: \(line)")
    }
    let manifest = try Repository.text("Package.swift")
    for name in try #require(parts.first).matches(of: /name: "(\w+)"/) {
      #expect(manifest.contains(".library(name: \"\(name.output.1)\""))
    }
  }

  /// The words that follow `command` where it is typed and not prose: at the start of a line, after a prompt or a backtick.
  private static func words(after command: String, in text: String) -> [Substring] {
    var words: [Substring] = []
    for line in text.split(separator: "\n") {
      var rest = line[...]
      while let found = rest.range(of: command) {
        let before = line[..<found.lowerBound]
        rest = rest[found.upperBound...]
        guard before.isEmpty || before.hasSuffix("`") || before.hasSuffix("$ ") || before.hasSuffix("release/") else { continue }
        let word = rest.prefix { $0.isLowercase || $0 == "-" }
        if !word.isEmpty { words.append(word) }
      }
    }
    return words
  }
}
