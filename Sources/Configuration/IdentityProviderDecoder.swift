import HTTP

/// A row of `identity_providers`.
enum IdentityProviderDecoder {
  private static let asymmetric = [
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA",
  ]
  /// With the shortest secret each may be used with, in bytes (RFC 7518 section 3.2).
  private static let symmetric = [("HS256", 32), ("HS384", 48), ("HS512", 64)]

  static func decode(_ cursor: Cursor) -> IdentityProviderSettings? {
    let known =
      [
        "name", "issuer", "audiences", "algorithms", "jwks", "secret", "leeway", "token_from", "token_types", "required_claims",
        "maximum_token_bytes", "proof_of_possession", "backchannel_logout",
      ] + ClaimConventionsDecoder.keys + OpaqueProviderDecoder.kinds
    guard let values = cursor.mapping(known) else { return nil }
    let kinds = (["jwks"] + OpaqueProviderDecoder.kinds).filter { values[$0] != nil }
    if kinds.count > 1 {
      values[kinds[1]]?.report(
        "`\(kinds[0])` and `\(kinds[1])` are two ways to check tokens: write two providers, and both in `authenticate`")
      return nil
    }
    if let kind = kinds.first, kind != "jwks", let place = values[kind] {
      return OpaqueProviderDecoder.decode(values, kind, place, optional)
    }
    let name = values.required("name", "a name of your choice")?.name()
    let issuer = ClaimConventionsDecoder.issuer(values.required("issuer", "the `iss` of its tokens, exactly"))
    _ = values.required("audiences", "a list of `aud` values, one of which a token must have")
    let algorithms = values.required("algorithms", "a list such as `[ES256, RS256]`").map(algorithms)
    let secret = values["secret"]?.text().map { Located(Array($0.utf8), at: values["secret"]?.location ?? cursor.location) }
    if let algorithms { check(values, algorithms, secret?.value) }
    let needsJWKS = algorithms?.contains { asymmetric.contains($0.value) } ?? (values["secret"] == nil)
    let jwksCursor =
      needsJWKS ? values.required("jwks", "`{ file: FILE }`, `{ url: https://… }` or `{ discovery: true }`") : values["jwks"]
    let keys = jwksCursor.flatMap { KeySetDecoder.decode($0, provider: name?.value ?? "", issuer: issuer) }
    let settings = optional(values)
    guard let name, let issuer else { return nil }
    var result = settings(IdentityProviderSettings(name: name, issuer: issuer, jwksFile: keys?.file))
    result.remoteKeys = keys?.remote
    result.algorithms = algorithms ?? []
    result.secret = secret
    return result
  }

  /// What has a default. Read at once, so that its errors are reported whatever else is wrong.
  private static func optional(_ values: Mapping) -> (IdentityProviderSettings) -> IdentityProviderSettings {
    let leeway = values["leeway"]?.duration(0...300_000)
    let sources = values["token_from"]?.list("{ header: Authorization, scheme: Bearer }", maximum: ListBounds.tokenPlaces)?
      .compactMap(TokenSourceDecoder.decode)
    let types = values["token_types"]?.list("JWT")?.compactMap { $0.text() }
    let claims = values["required_claims"]?.entries("azp: [web]")?.compactMap { entry in
      ClaimMatchDecoder.values(entry.value).map { (claim: entry.key.value, values: $0) }
    }
    let proof = values["proof_of_possession"].flatMap(Self.proof)
    let logout = values["backchannel_logout"].flatMap(RevocationDecoder.logout)
    let maximum = values["maximum_token_bytes"]?.size(256...64 << 10)
    let conventions = ClaimConventionsDecoder.decode(values)
    return { settings in
      var settings = conventions(settings)
      settings.leeway = leeway ?? settings.leeway
      settings.tokenFrom = sources?.map(\.source) ?? settings.tokenFrom
      settings.origins = sources?.flatMap(\.origins) ?? []
      settings.tokenTypes = types ?? settings.tokenTypes
      settings.requiredClaims = claims ?? []
      settings.proof = proof ?? settings.proof
      settings.logout = logout
      settings.maximumTokenBytes = maximum ?? settings.maximumTokenBytes
      return settings
    }
  }

  private static func proof(_ cursor: Cursor) -> ProofSettings? {
    guard let values = cursor.mapping(["certificate", "dpop", "dpop_nonce", "dpop_lifetime"]) else { return nil }
    let modes: [(String, ProofSettings.Mode)] = [("optional", .optional), ("required", .required)]
    var settings = ProofSettings()
    settings.certificate = values["certificate"]?.word(modes) ?? settings.certificate
    settings.dpop = values["dpop"]?.word(modes)
    settings.needsNonce = values["dpop_nonce"]?.boolean() ?? settings.needsNonce
    settings.lifetime = values["dpop_lifetime"]?.duration(1_000...3_600_000) ?? settings.lifetime
    if values["dpop"] == nil {
      for key in ["dpop_nonce", "dpop_lifetime"] {
        values[key]?.report("`\(key)` is for `dpop`: write `dpop: optional` or `dpop: required`")
      }
    }
    return settings
  }

  private static func algorithms(_ cursor: Cursor) -> [Located<String>] {
    var seen: Set<String> = []
    return (cursor.list("ES256, RS256") ?? []).compactMap { element in
      guard let text = element.text() else { return nil }
      let names = asymmetric + symmetric.map(\.0)
      if text.lowercased() == "none" {
        element.report("`none` would accept tokens that nobody signed, and is never accepted: name the provider's algorithm")
      } else if !names.contains(text) {
        element.report("unknown algorithm `\(text)`: \(NearestName.hint(for: text, among: names))")
      } else if !seen.insert(text).inserted {
        element.report("`\(text)` is named twice")
      } else {
        return Located(text, at: element.location)
      }
      return nil
    }
  }

  private static func check(_ values: Mapping, _ algorithms: [Located<String>], _ secret: [UInt8]?) {
    let collector = values.owner.file.collector
    var usesSecret = false
    for algorithm in algorithms {
      guard let (name, minimum) = symmetric.first(where: { $0.0 == algorithm.value }) else { continue }
      usesSecret = true
      if values["secret"] == nil {
        collector.report(algorithm.location, "`\(name)` needs `secret`: write it, best as `${NAME}`, or leave `\(name)` out")
      } else if let secret, secret.count < minimum {
        values["secret"]?.report("the secret has \(secret.count) bytes: `\(name)` needs \(minimum) at least")
      }
    }
    if let cursor = values["secret"], !usesSecret, !algorithms.isEmpty {
      cursor.report("`secret` is used by HS256, HS384 and HS512 only, and `algorithms` names none of them: leave it out")
    }
  }
}
