import Configuration
import Foundation
import Testing

@Suite("Configuration that people copy")
struct ExampleConfigurationTests {
  /// The YAML blocks of a document, each as a file of its own.
  private func blocks(_ document: String) throws -> [ConfigurationSource] {
    try Repository.text(document).matches(of: /(?ms)^```yaml\n(.*?)^```/).enumerated().map { index, match in
      ConfigurationSource(name: "\(document)-\(index + 1).yaml", bytes: Array(match.output.1.utf8))
    }
  }

  private func problems(_ files: [ConfigurationSource], environment: [String: String] = [:]) -> [String] {
    switch ConfigurationLoader.load(files: files, environment: environment) {
    case .loaded(let loaded): loaded.warnings.map(\.warning)
    case .rejected(let diagnostics): diagnostics.map(\.description)
    }
  }

  private func routes() throws -> [ConfigurationSource] {
    try FileManager.default.contentsOfDirectory(atPath: Repository.root.appendingPathComponent("Routes").path)
      .filter { $0.hasSuffix(".yaml") }.sorted()
      .map { ConfigurationSource(name: "Routes/\($0)", bytes: Array(try Repository.text("Routes/\($0)").utf8)) }
  }

  @Test("Routes/ is accepted with nothing set in the environment")
  func exampleRoutes() throws {
    #expect(try problems(routes()) == [])
  }

  @Test("the blocks of docs/configuration.md, put together, are a configuration")
  func reference() throws {
    let blocks = try blocks("docs/configuration.md")
    #expect(blocks.count >= 6)
    #expect(problems(blocks, environment: ["INTROSPECTION_SECRET": "x"]) == [])
  }

  @Test("the blocks of the README fit into Routes/ in place of the identity provider and beside the backends")
  func readme() throws {
    let blocks = try blocks("README.md")
    #expect(blocks.count == 3)
    #expect(try problems(routes().filter { $0.name != "Routes/identity.yaml" } + blocks) == [])
  }
}
