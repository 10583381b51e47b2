import Development
import Foundation
import Testing

@Suite("Example routes")
struct ExampleRoutesTests {
  @Test("what the command carries is what Routes/ holds, byte for byte")
  func sameAsTheRepository() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let folder = root.appendingPathComponent("Routes")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted()
    #expect(names == ExampleRoutes.files.map(\.name))
    for file in ExampleRoutes.files {
      #expect(try String(contentsOf: folder.appendingPathComponent(file.name), encoding: .utf8) == file.text, "\(file.name)")
    }
  }
}
