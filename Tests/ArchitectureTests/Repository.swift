import Foundation

/// The checkout these tests were compiled from.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Names of the folders directly below `path`.
  static func folders(_ path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      at: root.appendingPathComponent(path), includingPropertiesForKeys: [.isDirectoryKey]
    )
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
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    let before: Set<Substring> = ["package", "internal", "private", "fileprivate", "public"]
    var found: Set<String> = []
    for line in text.split(whereSeparator: \.isNewline) where line.contains("import ") {
      var words = line.split(separator: " ")[...]
      while let word = words.first, word.hasPrefix("@") || before.contains(word) { words.removeFirst() }
      guard words.popFirst() == "import" else { continue }
      if let word = words.first, kinds.contains(word) { words.removeFirst() }
      if let name = words.first { found.insert(String(name.prefix { $0 != "." })) }
    }
    return found
  }
}
