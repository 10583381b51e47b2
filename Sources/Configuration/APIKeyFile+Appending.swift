import Foundation
import JSON

/// Writing entries of files of API keys.
extension APIKeyFile {
  package struct LayoutError: Error {
    package let message: String
  }

  /// The entry in YAML, as an element of `keys`. Names and values are quoted as JSON quotes them, which YAML reads alike.
  ///
  /// - Parameter indentation: of its dash.
  package static func yaml(_ key: APIKeySettings, indentation: Int = 2) -> String {
    let quoted = { (text: String) in String(decoding: JSONWriter.bytes(JSONValue(text: text)), as: UTF8.self) }
    var lines = [
      "- id: \(quoted(key.id))", "  sub: \(quoted(key.subject))", "  salt: \"\(hexadecimal(key.salt))\"",
      "  hash: \"\(hexadecimal(key.hash))\"",
    ]
    if !key.claims.isEmpty {
      lines.append("  claims: \(String(decoding: JSONWriter.bytes(.object(key.claims)), as: UTF8.self))")
    }
    if let expires = key.expiresAt { lines.append("  expires: \"\(text(expires))\"") }
    let margin = String(repeating: " ", count: indentation)
    return lines.map { margin + $0 + "\n" }.joined()
  }

  private static func json(_ key: APIKeySettings) -> JSONValue {
    var members = [
      JSONMember("id", JSONValue(text: key.id)), JSONMember("sub", JSONValue(text: key.subject)),
      JSONMember("salt", JSONValue(text: hexadecimal(key.salt))), JSONMember("hash", JSONValue(text: hexadecimal(key.hash))),
    ]
    if !key.claims.isEmpty { members.append(JSONMember("claims", .object(key.claims))) }
    if let expires = key.expiresAt { members.append(JSONMember("expires", JSONValue(text: text(expires)))) }
    return .object(members)
  }

  /// The file's bytes with `key` behind its last entry; the rest of a YAML file stays as it is, comments included.
  ///
  /// - Parameter old: the file, which `decode` takes; nil for a new one.
  /// - Throws: when the id is taken, and when the file is laid out so that nothing can be appended.
  package static func appending(_ key: APIKeySettings, to old: [UInt8]?, named name: String) throws(LayoutError) -> [UInt8] {
    var before: [APIKeySettings] = []
    if let old {
      switch decode(ConfigurationSource(name: name, bytes: old)) {
      case .rejected(let diagnostics): throw LayoutError(message: diagnostics.map(\.description).joined(separator: "\n"))
      case .decoded(let keys): before = keys
      }
    }
    guard !before.contains(where: { $0.id == key.id }) else {
      throw LayoutError(message: "\(name) has a key `\(key.id)` already: choose another id")
    }
    let new = name.hasSuffix(".json") ? try appendedJSON(key, old, name) : appendedYAML(key, old, behind: before.last)
    guard case .decoded(let after) = decode(ConfigurationSource(name: name, bytes: new)),
      after.map(\.id) == before.map(\.id) + [key.id],
      after.last?.hash == key.hash, after.last?.claims == key.claims
    else {
      throw LayoutError(
        message: "\(name) is laid out so that nothing can be appended: run the command without --file and add the entry yourself")
    }
    return new
  }

  private static func appendedYAML(_ key: APIKeySettings, _ old: [UInt8]?, behind last: APIKeySettings?) -> [UInt8] {
    // An entry begins behind its dash and a space.
    let indentation = last.map { max(0, $0.location.column - 3) } ?? 2
    var text = String(decoding: old ?? Array("keys:\n".utf8), as: UTF8.self)
    while let last = text.last, last.isWhitespace { text.removeLast() }
    if text.hasSuffix("keys: []") { text.removeLast(" []".count) }
    return Array((text + "\n" + yaml(key, indentation: indentation)).utf8)
  }

  private static func appendedJSON(_ key: APIKeySettings, _ old: [UInt8]?, _ name: String) throws(LayoutError) -> [UInt8] {
    var rows: [JSONValue] = []
    if let old {
      guard let known = try? JSONParser.parse(old, limits: JSONLimits(depth: 16, size: 16 << 20)).member("keys")?.elements else {
        throw LayoutError(message: "\(name) is no JSON: give a file of YAML another name")
      }
      rows = known
    }
    rows.append(json(key))
    let lines = rows.map { "  " + String(decoding: JSONWriter.bytes($0), as: UTF8.self) }
    return Array("{\"keys\": [\n\(lines.joined(separator: ",\n"))\n]}\n".utf8)
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  private static func text(_ seconds: Int64) -> String { Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601) }
}
