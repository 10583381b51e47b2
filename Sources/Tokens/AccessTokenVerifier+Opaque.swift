import Bytes
import Cryptography
import JSON

/// Tokens that say nothing by themselves: API keys, looked up, and tokens that their issuer is asked about.
///
/// Which provider of a route decides is clear before any secret is compared and anybody is asked:
/// 1. what begins as API keys do is looked up, if the route has a provider of API keys that looks there; else it is refused;
/// 2. a JWT whose `iss` is that of a provider with keys is checked with those keys;
/// 3. a JWT of another issuer goes to the introspecting provider if that is its issuer, or if no provider with keys looks there;
/// 4. everything else goes to the introspecting provider, of which a route has one at most.
///
/// A provider with keys that looks elsewhere counts for the second: neither keys nor its JWTs are told to an issuer by being sent in the
/// wrong place.
extension AccessTokenVerifier {
  /// Nil for a token that a provider with keys decides about.
  ///
  /// - Parameters:
  ///   - candidates: the acceptable providers; at least one of them has no keys.
  ///   - route: all providers of the route.
  func verifyOpaque(
    _ token: Span<UInt8>, hash: UInt64, candidates: [Int], route: ProviderSet, now: Int64
  ) throws(TokenDenial) -> VerifiedToken? {
    let keyed = candidates.filter { providers[$0].apiKeys != nil }
    let isKey = APIKey.isMeant(by: token)
    if !keyed.isEmpty, isKey || keyed.count == candidates.count { return try verifyAPIKey(token, hash: hash, keyed, now: now) }
    guard !isKey else { throw .malformed }
    guard let index = candidates.first(where: { providers[$0].introspection != nil }),
      isIntrospected(token, by: providers[index], candidates, route)
    else { return nil }
    return try introspect(token, hash: hash, provider: index, now: now)
  }

  private func verifyAPIKey(
    _ token: Span<UInt8>, hash: UInt64, _ candidates: [Int], now: Int64
  ) throws(TokenDenial) -> VerifiedToken {
    var denial = TokenDenial.apiKeyInvalid
    for index in candidates {
      guard let keys = providers[index].apiKeys else { continue }
      do throws(TokenDenial) {
        let key = try keys.find(token, now: now)
        try providers[index].checkRequiredClaims(key.principal.claims)
        return entry(token, hash, key.principal, provider: index, validUntil: key.principal.expiresAt, freshUntil: .max)
      } catch {
        // What is known of one provider says more than that others do not know the key.
        if error != .apiKeyInvalid { denial = error }
      }
    }
    throw denial
  }

  private func isIntrospected(
    _ token: Span<UInt8>, by provider: IdentityProvider, _ candidates: [Int], _ route: ProviderSet
  ) -> Bool {
    guard let jws = try? CompactJWS(token), let claims = try? Self.claims(jws) else { return true }
    let issuer = claims.member("iss")
    func isSigner(_ index: Int) -> Bool { providers[index].isSigning && issuer == .string(providers[index].issuer) }
    guard !candidates.contains(where: isSigner) else { return false }
    if issuer == .string(provider.issuer) { return true }
    if candidates.contains(where: { providers[$0].isSigning }) { return false }
    return !providers.indices.contains { route.contains($0) && isSigner($0) }
  }

  private func introspect(
    _ token: Span<UInt8>, hash: UInt64, provider index: Int, now: Int64
  ) throws(TokenDenial) -> VerifiedToken {
    let provider = providers[index]
    guard let remote = provider.introspection else { throw .introspectionUnavailable }
    // Visible ASCII (RFC 6749 appendix A.12).
    guard !token.isEmpty, token.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw .malformed }
    let digest = Digest.sha256(token)
    if isKnownInactive(digest, remote, now: now) { throw .inactive }
    guard let answer = answer(about: digest, from: remote) else {
      unanswered = (remote, digest)
      throw .introspectionUnavailable
    }
    switch answer {
    case .unavailable: throw .introspectionUnavailable
    case .inactive: throw .inactive
    case .active(let members, let askedAt):
      let principal = try provider.principal(introspected: members, now: now)
      if principal.expiresAt < .max { try checkLife(members, until: principal.expiresAt, provider, now: now) }
      let (validUntil, overflowed) = principal.expiresAt.addingReportingOverflow(provider.leeway)
      return entry(
        token, hash, principal, provider: index, validUntil: overflowed ? .max : validUntil, freshUntil: askedAt + remote.lifetime
      )
    }
  }

  private func entry(
    _ token: Span<UInt8>, _ hash: UInt64, _ principal: Principal, provider index: Int, validUntil: Int64,
    freshUntil: Int64
  ) -> VerifiedToken {
    let provider = providers[index]
    return VerifiedToken(
      bytes: [UInt8](token), hash: hash, principal: principal, key: nil, algorithm: nil, provider: index,
      providerFingerprint: provider.fingerprint, validUntil: validUntil, freshUntil: freshUntil,
      needsProof: principal.confirmation != nil || provider.proof.certificate == .required || provider.proof.dpop == .required,
      isAPIKey: provider.apiKeys != nil, epoch: epoch)
  }
}
