import JSON

/// Logout tokens: the same keys, other rules.
extension AccessTokenVerifier {
  /// Seconds for which a logout token is good, whatever its `exp` says: its `jti` need not be remembered for longer.
  private static let maximumAge: Int64 = 600
  /// Seconds for which one has to be remembered: its greatest age, and a provider's greatest leeway at both ends.
  package static let logoutLifetime = maximumAge + 2 * 3600
  private static let event: StaticString = "http://schemas.openid.net/event/backchannel-logout"

  /// Everything that section 2.6 asks for but whether the token came before.
  ///
  /// - Parameter now: seconds since 1970.
  package func verifyLogout(_ token: Span<UInt8>, now: Int64) -> LogoutVerdict {
    guard let jws = try? CompactJWS(token), let claims = try? JSONParser.parse(jws.payload, limits: .token), claims.members != nil
    else {
      return .refused("no signed JWT with JSON in it")
    }
    var verdict = LogoutVerdict.refused("iss is nobody's who may log out here")
    var tries = SignatureTries()
    // More than one only where providers share an issuer.
    for provider in providers where claims.member("iss") == .string(provider.issuer) {
      guard let rules = provider.logout else { continue }
      verdict = verify(token, jws, claims, provider, rules, &tries, now: now)
      if case .accepted = verdict { return verdict }
    }
    return verdict
  }

  private func verify(
    _ token: Span<UInt8>, _ jws: CompactJWS, _ claims: JSONValue, _ provider: IdentityProvider,
    _ rules: LogoutRules, _ tries: inout SignatureTries,
    now: Int64
  ) -> LogoutVerdict {
    guard token.count <= provider.maximumTokenBytes else { return .refused("the token is too large") }
    guard let algorithm = jws.algorithm, provider.algorithms.contains(algorithm) else { return .refused("alg is not accepted") }
    if let type = jws.type.map(IdentityProvider.normalized(type:)), type != Array("logout+jwt".utf8), type != Array("jwt".utf8) {
      return .refused("typ is not that of a logout token")
    }
    guard let keySet = provider.keySet else { return .keysUnavailable }
    let key: VerificationKey
    do throws(TokenDenial) {
      let candidates = try keySet.candidates(kid: jws.kid, algorithm: algorithm)
      key = try signer(of: token, jws, among: candidates, algorithm, &tries)
    } catch {
      switch error {
      case .keyUnknown:
        if let remote = provider.remote, let kid = jws.kid { return .unknownKey(remote, kid: kid) }
        return .refused("no known key belongs to the token")
      case .algorithm: return .refused("alg is not the key's")
      default: return .refused("the signature does not verify")
      }
    }
    // A key that is denied signs no logouts either.
    if revocations.deniesKey(key.kid, issuer: provider.issuer, now: now) { return .refused("the key was revoked") }
    if let wrong = Self.wrongTimes(claims, leeway: provider.leeway, now: now) { return .refused(wrong) }
    guard Self.isFor(rules.audiences, claims) else { return .refused("aud is not ours") }
    guard let event = claims.member("events")?.member(Self.event), event.members != nil else {
      return .refused("events has no back-channel logout")
    }
    guard claims.member("nonce") == nil else { return .refused("nonce must not be there") }
    guard let id = claims.member("jti")?.bytes, !id.isEmpty else { return .refused("jti is missing") }
    guard let entries = Self.entries(claims, provider, rules, now: now) else {
      return .refused("sub or sid must be there, as text")
    }
    return .accepted(entries, id: id)
  }

  private static func wrongTimes(_ claims: JSONValue, leeway: Int64, now: Int64) -> StaticString? {
    guard let issued = claims.member("iat")?.flooredInteger, let expires = claims.member("exp")?.flooredInteger else {
      return "iat and exp must be there"
    }
    if expires <= now - leeway { return "the token has expired" }
    if issued > now + leeway { return "iat is in the future" }
    return issued < now - leeway - maximumAge ? "the token is too old" : nil
  }

  private static func isFor(_ audiences: [[UInt8]], _ claims: JSONValue) -> Bool {
    switch claims.member("aud") {
    case .string(let audience)?: audiences.contains(audience)
    case .array(let elements)?: elements.contains { $0.bytes.map { audiences.contains($0) } ?? false }
    default: false
    }
  }

  private static func entries(_ claims: JSONValue, _ provider: IdentityProvider, _ rules: LogoutRules, now: Int64)
    -> [Revocation]?
  {
    // Neither may be there in another shape: what it meant would not be known.
    for name: StaticString in ["sub", "sid"] {
      if let value = claims.member(name), value.bytes?.isEmpty != false { return nil }
    }
    let (subject, session) = (claims.member("sub")?.bytes, claims.member("sid")?.bytes)
    let until = now + rules.keep + provider.leeway
    var entries: [Revocation] = []
    if let session { entries.append(Revocation(.sid, session, issuer: provider.issuer, until: until)) }
    if let subject, session == nil || rules.endsAllSessions {
      // Those of the same second as well: they may be from before, and whoever logs in anew gets a later one.
      let second = (claims.member("iat")?.flooredInteger ?? now) + 1
      entries.append(Revocation(.sub, subject, issuer: provider.issuer, issuedBefore: second, until: until))
    }
    return entries.isEmpty ? nil : entries
  }
}
