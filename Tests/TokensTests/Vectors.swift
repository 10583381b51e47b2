import Foundation
import JSON

/// Vectors that stand beside the repository. Tests that need them are skipped, and say so, when they are absent.
enum Vectors {
  static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("shared/vectors")

  static let present: Bool = {
    let found = FileManager.default.fileExists(atPath: folder.path)
    if !found { print("skipped: vectors are absent; they belong in ../shared/vectors beside the repository") }
    return found
  }()

  static func load(_ name: String) throws -> JSONValue {
    let data = try Data(contentsOf: folder.appendingPathComponent(name))
    return try JSONParser.parse([UInt8](data), limits: JSONLimits(depth: 16, size: 4 << 20))
  }

  static func hexadecimal(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8).map { UInt8($0 > 0x39 ? $0 - 0x57 : $0 - 0x30) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

extension JSONValue {
  /// A JWKS of this JWK, or this when it is one.
  var asKeySet: [UInt8] {
    JSONWriter.bytes(member("keys" as String) != nil ? self : .object([JSONMember("keys", .array([self]))]))
  }
}
