/// `internal_token`.
enum InternalTokenDecoder {
  private static let shared = ["header", "profile", "ttl", "claims", "maximum_bytes", "trust_domain", "algorithm"]

  static func decode(_ cursor: Cursor) -> InternalTokenSettings? {
    guard let values = cursor.mapping(["issuer"] + shared + ["signing_keys"]) else { return nil }
    let issuer = values.required("issuer", "the `iss` of internal tokens, such as `https://gateway.internal`")?.text()
    let own = decodeShared(values)
    let keys = values.required("signing_keys", "`[{ kid: …, algorithm: ES256, key: FILE, state: active }]`").map(signingKeys)
    guard let issuer else { return nil }
    var settings = InternalTokenSettings(issuer: issuer, location: cursor.location)
    settings = settings.applying(own)
    settings.signingKeys = keys ?? []
    return settings
  }

  /// `backends[].internal_token`.
  static func decodeBackend(_ cursor: Cursor) -> BackendTokenSettings? { cursor.mapping(shared).map(decodeShared) }

  /// What may be said for all backends and for one.
  private static func decodeShared(_ values: Mapping) -> BackendTokenSettings {
    var settings = BackendTokenSettings(location: values.location)
    settings.header = values["header"].flatMap { FieldNameDecoder.decode($0) }
    settings.profile = values["profile"]?.word([("compact", .compact), ("transaction", .transaction)])
    settings.ttl = values["ttl"]?.duration(5_000...600_000)
    settings.claims = values["claims"].map(ClaimsDecoder.decode)
    settings.maximumBytes = values["maximum_bytes"]?.size(512...(32 << 10))
    settings.trustDomain = values["trust_domain"]?.locatedText()
    if let cursor = values["algorithm"], let name = algorithm(cursor) { settings.algorithm = Located(name, at: cursor.location) }
    return settings
  }

  private static func algorithm(_ cursor: Cursor) -> String? { cursor.word([("ES256", "ES256"), ("EdDSA", "EdDSA")]) }

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
    let algorithm = algorithmCursor.flatMap(algorithm)
    let key = values.required("key", "a PEM file")?.path()
    let states: [(String, SigningKeyState)] = [("active", .active), ("next", .next), ("retired", .retired)]
    let state = values["state"].map { $0.word(states) } ?? .active
    guard let kid, let algorithm, let algorithmCursor, let key, let state else { return nil }
    return SigningKeySettings(kid: kid, algorithm: Located(algorithm, at: algorithmCursor.location), key: key, state: state)
  }
}
