/// `internal_token`.
enum InternalTokenDecoder {
  /// Claims that the gateway itself sets.
  private static let reserved: Set<String> = ["iss", "aud", "iat", "exp", "nbf", "idp", "cnf"]

  static func decode(_ cursor: Cursor) -> InternalTokenSettings? {
    guard let values = cursor.mapping(["issuer", "header", "profile", "ttl", "claims", "signing_keys"]) else { return nil }
    let issuer = values.required("issuer", "the `iss` of internal tokens, such as `https://gateway.internal`")?.text()
    let header = values["header"].flatMap { FieldNameDecoder.decode($0) }
    _ = values["profile"]?.word([("compact", true)], later: ["transaction"])
    let ttl = values["ttl"]?.duration(5_000...600_000)
    let claims = values["claims"].map(claims)
    let keys = values.required("signing_keys", "`[{ kid: …, algorithm: ES256, key: FILE, state: active }]`").map(signingKeys)
    guard let issuer else { return nil }
    var settings = InternalTokenSettings(issuer: issuer, location: cursor.location)
    settings.header = header ?? settings.header
    settings.ttl = ttl ?? settings.ttl
    settings.claims = claims ?? []
    settings.signingKeys = keys ?? []
    return settings
  }

  /// A list of names, or a map from name to claim path.
  private static func claims(_ cursor: Cursor) -> [(name: String, path: String)] {
    var pairs: [(name: Located<String>, path: String)] = []
    if cursor.isMapping {
      for entry in cursor.entries("uid: sub") ?? [] {
        if let path = entry.value.text() { pairs.append((entry.key, path)) }
      }
    } else {
      for element in cursor.list("sub, scope", mayBeEmpty: true) ?? [] {
        if let name = element.locatedText() { pairs.append((name, name.value)) }
      }
    }
    var seen: Set<String> = []
    for (name, path) in pairs {
      let collector = cursor.file.collector
      if reserved.contains(name.value) {
        collector.report(name.location, "`\(name.value)` is set by the gateway: write the claim under another name")
      } else if name.value == "sub", path != "sub" {
        collector.report(name.location, "`sub` is always the access token's `sub`: write `\(path)` under another name")
      } else if !seen.insert(name.value).inserted {
        collector.report(name.location, "the claim `\(name.value)` is named twice")
      }
    }
    return pairs.map { ($0.name.value, $0.path) }
  }

  private static func signingKeys(_ cursor: Cursor) -> [SigningKeySettings] {
    let elements = cursor.list("{ kid: …, algorithm: ES256, key: FILE, state: active }") ?? []
    let keys = elements.compactMap(signingKey)
    var places: [String: SourceLocation] = [:]
    for key in keys {
      if let first = places[key.kid.value] {
        cursor.file.collector.report(key.kid.location, "the kid `\(key.kid.value)` is already used at \(first): write another")
      } else {
        places[key.kid.value] = key.kid.location
      }
    }
    if !keys.isEmpty, keys.count == elements.count, !keys.contains(where: { $0.state == .active }) {
      cursor.report("no signing key is `active`, so nothing can be signed: write `state: active` for one")
    }
    return keys
  }

  private static func signingKey(_ cursor: Cursor) -> SigningKeySettings? {
    guard let values = cursor.mapping(["kid", "algorithm", "key", "state"]) else { return nil }
    let kid = values.required("kid", "a name that no other key has ever had, such as `2026-11`")?.locatedText()
    let algorithmCursor = values.required("algorithm", "`ES256` or `EdDSA`")
    let algorithm = algorithmCursor?.word([("ES256", "ES256"), ("EdDSA", "EdDSA")])
    let key = values.required("key", "a PEM file")?.path()
    let states: [(String, SigningKeyState)] = [("active", .active), ("next", .next), ("retired", .retired)]
    let state = values["state"].map { $0.word(states) } ?? .active
    guard let kid, let algorithm, let algorithmCursor, let key, let state else { return nil }
    return SigningKeySettings(kid: kid, algorithm: Located(algorithm, at: algorithmCursor.location), key: key, state: state)
  }
}
