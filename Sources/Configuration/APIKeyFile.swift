import Foundation
import JSON
import Yams

/// An entry of a file of API keys.
package struct APIKeySettings: Sendable {
  package var id: String
  package var subject: String
  package var salt: [UInt8]
  /// SHA-256 over the salt and the key, 32 bytes.
  package var hash: [UInt8]
  /// Besides `iss` and `sub`.
  package var claims: [JSONMember] = []
  /// Seconds since 1970; nil for never.
  package var expiresAt: Int64?
  package var location: SourceLocation

  package init(
    id: String, subject: String, salt: [UInt8], hash: [UInt8], claims: [JSONMember] = [], expiresAt: Int64? = nil,
    location: SourceLocation
  ) {
    self.id = id
    self.subject = subject
    self.salt = salt
    self.hash = hash
    self.claims = claims
    self.expiresAt = expiresAt
    self.location = location
  }
}

/// A file of API keys, in YAML or JSON: `keys: [{ id, sub, salt, hash, claims, expires }]`. It holds no key, only hashes.
package enum APIKeyFile {
  package enum Result {
    case decoded([APIKeySettings])
    case rejected([Diagnostic])
  }

  private static let ownClaims = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf"]
  /// Deeper claims are refused, as a token's are.
  private static let maximumDepth = 8

  package static func decode(_ source: ConfigurationSource) -> Result {
    let collector = DiagnosticCollector()
    collector.register(file: source.name, bytes: source.bytes.count)
    let root = YAMLDocument.parse(source, collector)
    var keys: [APIKeySettings] = []
    if let root {
      let cursor = Cursor(root, Cursor.File(source, [:], collector))
      let list = cursor.mapping(["keys"])?.required("keys", "a list, which `gatehouse apikey new` makes entries for")?
        .list("{ id: …, sub: …, salt: …, hash: … }", mayBeEmpty: true, maximum: .max)
      keys = (list ?? []).compactMap(entry)
      checkIDs(keys, collector)
    } else if collector.isEmpty {
      collector.report(SourceLocation(file: source.name, line: 1, column: 1), "the file is empty: write `keys: []` for no keys")
    }
    return collector.isEmpty ? .decoded(keys) : .rejected(collector.sorted())
  }

  private static func checkIDs(_ keys: [APIKeySettings], _ collector: DiagnosticCollector) {
    var places: [String: SourceLocation] = [:]
    for key in keys {
      if let first = places[key.id] {
        collector.report(key.location, "the id `\(key.id)` is already used at \(first): make a new key")
      } else {
        places[key.id] = key.location
      }
    }
  }

  private static func entry(_ cursor: Cursor) -> APIKeySettings? {
    guard let values = cursor.mapping(["id", "sub", "salt", "hash", "claims", "expires"]) else { return nil }
    let id = values.required("id", "the part of the key between `ghk_` and the next `_`").flatMap(id)
    let subject = values.required("sub", "who has the key, such as `billing`")?.text()
    let salt = values.required("salt", "16 random bytes in hexadecimal")
      .flatMap { bytes($0, 16...64, "16 to 64 bytes in hexadecimal: `gatehouse apikey new` makes them") }
    let hash = values.required("hash", "the SHA-256 of the salt and the key in hexadecimal")
      .flatMap { bytes($0, 32...32, "a SHA-256 in hexadecimal, 64 digits: the key itself does not belong here") }
    let claims = values["claims"].map(claims)
    let expires = values["expires"].map(time)
    guard let id, let subject, let salt, let hash else { return nil }
    return APIKeySettings(
      id: id, subject: subject, salt: salt, hash: hash, claims: claims ?? [], expiresAt: expires ?? nil, location: cursor.location
    )
  }

  private static func id(_ cursor: Cursor) -> String? {
    guard let text = cursor.text() else { return nil }
    guard (8...32).contains(text.utf8.count), text.utf8.allSatisfy({ $0 &- 0x30 < 10 || $0 &- 0x61 < 26 || $0 == 0x2d }) else {
      cursor.report("`\(text)` is no id of a key: write 8 to 32 small letters, digits and `-`")
      return nil
    }
    return text
  }

  private static func bytes(_ cursor: Cursor, _ lengths: ClosedRange<Int>, _ hint: String) -> [UInt8]? {
    guard let text = cursor.text() else { return nil }
    var bytes: [UInt8] = []
    var high: UInt8?
    for digit in text.utf8 {
      let value: UInt8
      switch digit {
      case 0x30...0x39: value = digit - 0x30
      case 0x41...0x46, 0x61...0x66: value = (digit | 0x20) - 0x57
      default:
        cursor.report("the value is wrong: write \(hint)")
        return nil
      }
      if let first = high { bytes.append(first << 4 | value) }
      high = high == nil ? value : nil
    }
    guard high == nil, lengths.contains(bytes.count) else {
      cursor.report("the value is wrong: write \(hint)")
      return nil
    }
    return bytes
  }

  /// Seconds since 1970 of `2027-01-31` (its first second) or `2027-01-31T12:00:00Z`, in UTC.
  package static func seconds(_ text: String) -> Int64? {
    let whole = text.utf8.count == 10 ? "\(text)T00:00:00Z" : text
    guard whole.utf8.count == 20, whole.utf8.allSatisfy({ $0 < 0x80 }), let date = try? Date(whole, strategy: .iso8601),
      date.formatted(.iso8601) == whole
    else { return nil }
    return Int64(date.timeIntervalSince1970)
  }

  private static func time(_ cursor: Cursor) -> Int64? {
    guard let text = cursor.text() else { return nil }
    guard let seconds = seconds(text) else {
      cursor.report("`\(text)` is no time: write a day such as `2027-01-31`, or `2027-01-31T12:00:00Z`")
      return nil
    }
    return seconds
  }

  // MARK: Claims

  private static func claims(_ cursor: Cursor) -> [JSONMember] {
    guard let entries = cursor.entries("scope: \"orders:read\"") else { return [] }
    return entries.compactMap { entry in
      guard !ownClaims.contains(entry.key.value) else {
        entry.value.report("`\(entry.key.value)` is not for a key to say: leave it out")
        return nil
      }
      return value(entry.value, depth: 2).map { JSONMember(entry.key.value, $0) }
    }
  }

  private static func value(_ cursor: Cursor, depth: Int) -> JSONValue? {
    guard depth <= maximumDepth else {
      cursor.report("claims are at most \(maximumDepth) levels deep")
      return nil
    }
    switch cursor.node {
    case .scalar(let scalar):
      guard scalar.style == .plain else { return cursor.text().map { JSONValue(text: $0) } }
      if scalar.string == "true" || scalar.string == "false" { return .boolean(scalar.string == "true") }
      if let number = Int64(scalar.string), "\(number)" == scalar.string { return .integer(number) }
      return cursor.text().map { JSONValue(text: $0) }
    case .sequence:
      return .array((cursor.list("value", mayBeEmpty: true) ?? []).compactMap { value($0, depth: depth + 1) })
    case .mapping:
      return .object(
        (cursor.entries("name: value") ?? []).compactMap { entry in
          value(entry.value, depth: depth + 1).map { JSONMember(entry.key.value, $0) }
        })
    case .alias:
      cursor.report("aliases are not for files of keys: write the value out")
      return nil
    }
  }
}
