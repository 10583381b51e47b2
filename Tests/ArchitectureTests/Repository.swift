import Foundation

/// The checkout these tests were compiled from.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Names of the folders directly below `path`.
  static func folders(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(at: root.appendingPathComponent(path), includingPropertiesForKeys: [.isDirectoryKey])
      .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
      .map(\.lastPathComponent).sorted()
  }

  /// Every Swift file at or below `path`, relative to the root, with its text.
  static func swiftFiles(_ path: String) throws -> [(path: String, text: String)] {
    let folder = root.appendingPathComponent(path)
    guard let paths = FileManager.default.enumerator(atPath: folder.path) else { return [] }
    return try paths.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.sorted()
      .map { (path + "/" + $0, try text(path + "/" + $0)) }
  }

  /// What a file imports: `import X`, also with attributes, an access level or a kind (`import struct X.Y`) in front.
  static func imports(_ text: String) -> Set<String> {
    var found: Set<String> = []
    for line in text.split(whereSeparator: \.isNewline) {
      guard let match = line.firstMatch(of: importLine) else { continue }
      found.insert(String(match.output.1))
    }
    return found
  }

  private static var importLine: Regex<(Substring, Substring)> {
    /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|internal|private|fileprivate|public)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)/
  }
}
