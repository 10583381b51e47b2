import JSON
import Yams

/// `claims` of an internal token: which of the access token's claims backends get, and under which names.
enum ClaimsDecoder {
  /// Claims that the gateway itself sets, in one profile or the other.
  private static let reserved: Set<String> = [
    "iss", "aud", "iat", "exp", "nbf", "jti", "idp", "cnf", "act", "txn", "rctx", "tctx", "req_wl",
  ]
  /// Values within values, of a constant.
  private static let maximumDepth = 8

  /// A list of names, or a map from names to claim paths and constants.
  static func decode(_ cursor: Cursor) -> [ClaimSettings] {
    var claims: [ClaimSettings] = []
    if cursor.isMapping {
      for entry in cursor.entries("uid: sub", maximum: ListBounds.internalClaims) ?? [] {
        if let source = source(entry.value) { claims.append(ClaimSettings(name: entry.key, source: source)) }
      }
    } else {
      for element in cursor.list("sub, scope", mayBeEmpty: true, maximum: ListBounds.internalClaims) ?? [] {
        if let name = element.locatedText() { claims.append(ClaimSettings(name: name, source: .path(name.value))) }
      }
    }
    var seen: Set<String> = []
    let collector = cursor.file.collector
    for claim in claims {
      let name = claim.name
      if name.value == "act" {
        collector.report(name.location, "`act` always comes from the access token: leave it out")
      } else if reserved.contains(name.value) {
        collector.report(name.location, "`\(name.value)` is set by the gateway: write the claim under another name")
      } else if name.value == "sub", claim.source != .path("sub") {
        let path = if case .path(let path) = claim.source { "`\(path)`" } else { "it" }
        collector.report(name.location, "`sub` is always the access token's `sub`: write \(path) under another name")
      } else if !seen.insert(name.value).inserted {
        collector.report(name.location, "the claim `\(name.value)` is named twice")
      }
    }
    return claims
  }

  private static func source(_ cursor: Cursor) -> ClaimSettings.Source? {
    guard cursor.isMapping else { return cursor.text().map { .path($0) } }
    guard let values = cursor.mapping(["value"]) else { return nil }
    return values.required("value", "the claim's value, the same in every token").flatMap { constant($0, depth: 1) }.map {
      .constant($0)
    }
  }

  private static func constant(_ cursor: Cursor, depth: Int) -> JSONValue? {
    guard depth <= maximumDepth else {
      cursor.report("the value is nested more than \(maximumDepth) deep")
      return nil
    }
    if cursor.isMapping {
      guard let entries = cursor.entries("name: value") else { return nil }
      let members = entries.compactMap { entry in
        constant(entry.value, depth: depth + 1).map { JSONMember(entry.key.value, $0) }
      }
      return members.count == entries.count ? .object(members) : nil
    }
    if !cursor.isScalar {
      guard let list = cursor.list("a", mayBeEmpty: true) else { return nil }
      let elements = list.compactMap { constant($0, depth: depth + 1) }
      return elements.count == list.count ? .array(elements) : nil
    }
    guard let text = cursor.text() else { return nil }
    // What is quoted is text, whatever it looks like.
    guard case .scalar(let scalar) = cursor.node, scalar.style == .plain else { return JSONValue(text: text) }
    if text == "true" || text == "false" { return .boolean(text == "true") }
    if let integer = Int64(text) { return .integer(integer) }
    return JSONValue(text: text)
  }
}
