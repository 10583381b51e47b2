/// `internal_token`.
enum InternalTokenDecoder {
  private static let shared = ["header", "profile", "ttl", "claims", "maximum_bytes", "trust_domain", "algorithm"]

  static func decode(_ cursor: Cursor) -> InternalTokenSettings? {
    guard let values = cursor.mapping(["issuer"] + shared + ["signing_keys", "publish_ahead", "leeway"]) else { return nil }
    let issuer = values.required("issuer", "the `iss` of internal tokens, such as `https://gateway.internal`")?.text()
    let own = decodeShared(values)
    let keys = values.required("signing_keys", "`[{ kid: …, algorithm: ES256, key: FILE, state: active }]` or `{ directory: … }`")
    let directory = keys.flatMap { $0.isMapping ? keyDirectory($0) : nil }
    let list = keys.flatMap { $0.isMapping ? nil : signingKeys($0) }
    let publishAhead = values["publish_ahead"]?.duration(0...604_800_000)
    let leeway = values["leeway"]?.duration(0...600_000)
    guard let issuer else { return nil }
    var settings = InternalTokenSettings(issuer: issuer, location: cursor.location)
    settings = settings.applying(own)
    settings.signingKeys = list ?? []
    settings.keyDirectory = directory
    settings.publishAhead = publishAhead ?? settings.publishAhead
    settings.leeway = leeway ?? settings.leeway
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

  private static func keyDirectory(_ cursor: Cursor) -> Located<String>? {
    cursor.mapping(["directory"])?.required("directory", "where `gatehouse keys rotate` keeps the keys")?.path()
  }

  private static func signingKeys(_ cursor: Cursor) -> [SigningKeySettings] {
    let elements = cursor.list("{ kid: …, algorithm: ES256, key: FILE, state: active }", maximum: ListBounds.signingKeys) ?? []
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
    guard let values = cursor.mapping(["kid", "algorithm", "key", "state", "activate_at", "published_since"]) else { return nil }
    let kid = values.required("kid", "a name that no other key has ever had, such as `2026-11`")?.locatedText()
    let algorithmCursor = values.required("algorithm", "`ES256` or `EdDSA`")
    let algorithm = algorithmCursor.flatMap(algorithm)
    let key = values.required("key", "a PEM file")?.path()
    let states: [(String, SigningKeyState)] = [("active", .active), ("next", .next), ("retired", .retired)]
    let state = values["state"].map { $0.word(states) } ?? .active
    if let cursor = values["activate_at"], let state, state != .next {
      cursor.report("`activate_at` is when a key that is `next` begins to sign: write `state: next`, or leave it out")
    }
    let activateAt = values["activate_at"].map(time)
    let publishedSince = values["published_since"].map(time)
    guard let kid, let algorithm, let algorithmCursor, let key, let state else { return nil }
    var settings = SigningKeySettings(
      kid: kid, algorithm: Located(algorithm, at: algorithmCursor.location), key: key, state: state)
    settings.activateAt = activateAt ?? nil
    settings.publishedSince = publishedSince ?? nil
    return settings
  }

  private static func time(_ cursor: Cursor) -> Int64? {
    guard let text = cursor.text() else { return nil }
    if let time = UTCTime.parse(text) { return time }
    cursor.report("`\(text)` is no time: write it in UTC, as in `2026-11-25T03:00:00Z`")
    return nil
  }
}
