import Bytes
import Cryptography
import JSON

/// Tokens that say nothing by themselves: API keys, looked up, and tokens that their issuer is asked about.
///
/// Which provider of a route decides is clear before any secret is compared and anybody is asked:
/// 1. what begins as API keys do is looked up, if the route has a provider of API keys that looks there; else it is refused;
/// 2. a JWT whose `iss` is that of a provider with keys is checked with those keys;
/// 3. a JWT of another issuer goes to the introspecting provider if that is its issuer, or if no provider with keys looks there;
/// 4. what is written like a JWT and cannot be read as one is refused if the route has a provider with keys: they may be its own;
/// 5. everything else goes to the introspecting provider, of which a route has one at most.
///
/// A provider with keys that looks elsewhere counts for the second: neither keys nor its JWTs are told to an issuer by being sent in the
/// wrong place.
extension AccessTokenVerifier {
  /// Nil for a token that a provider with keys decides about.
  ///
  /// - Parameters:
  ///   - candidates: those of the acceptable providers that take a token of this length; at least one of them has no keys.
  ///   - route: all providers of the route.
  func verifyOpaque(
    _ token: Span<UInt8>, hash: UInt64, candidates: [Int], acceptable: ProviderSet, route: ProviderSet, now: Int64
  ) throws(TokenDenial) -> VerifiedToken? {
    let keyed = candidates.filter { providers[$0].apiKeys != nil }
    let isKey = APIKey.isMeant(by: token)
    if !keyed.isEmpty, isKey || keyed.count == candidates.count { return try verifyAPIKey(token, hash: hash, keyed, now: now) }
    guard !isKey else { throw .malformed }
    guard let index = candidates.first(where: { providers[$0].introspection != nil }) else { return nil }
    let form = TokenForm(token)
    switch decider(form, by: providers[index], count: token.count, acceptable: acceptable, route: route) {
    case .issuer: return try introspect(token, form, hash: hash, provider: index, now: now)
    case .keys: return nil
    case .nobody: throw .malformed
    }
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

  private enum Decider {
    /// Whoever is asked about the token.
    case issuer
    case keys
    /// A JWT, but not one that anybody accepts: it is told to nobody.
    case nobody
  }

  private func decider(
    _ form: TokenForm, by provider: IdentityProvider, count: Int, acceptable: ProviderSet, route: ProviderSet
  ) -> Decider {
    switch form {
    case .opaque: return .issuer
    case .unreadable: return providers.indices.contains { route.contains($0) && providers[$0].isSigning } ? .nobody : .issuer
    case .jwt(let issuer):
      func isCandidate(_ index: Int) -> Bool {
        providers[index].isSigning && acceptable.contains(index) && count <= providers[index].maximumTokenBytes
      }
      func isSigner(_ index: Int) -> Bool { providers[index].isSigning && issuer == providers[index].issuer }
      if providers.indices.contains(where: { isCandidate($0) && isSigner($0) }) { return .keys }
      if issuer == provider.issuer { return .issuer }
      if providers.indices.contains(where: isCandidate) { return .keys }
      return providers.indices.contains { route.contains($0) && isSigner($0) } ? .keys : .issuer
    }
  }

  /// Whether the one that vouched for `entry`, which is acceptable, would be the one to decide about it here if it had not been seen
  /// before. Keys and signatures are their providers' wherever they look.
  func decides(_ entry: VerifiedToken, acceptable: ProviderSet, route: ProviderSet) -> Bool {
    guard entry.key == nil, !entry.isAPIKey, entry.form != .opaque else { return true }
    guard providers.indices.contains(entry.provider) else { return false }
    let provider = providers[entry.provider]
    return decider(entry.form, by: provider, count: entry.bytes.count, acceptable: acceptable, route: route) == .issuer
  }

  private func introspect(
    _ token: Span<UInt8>, _ form: TokenForm, hash: UInt64, provider index: Int, now: Int64
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
        token, hash, principal, provider: index, validUntil: overflowed ? .max : validUntil, freshUntil: askedAt + remote.lifetime,
        form: form)
    }
  }

  private func entry(
    _ token: Span<UInt8>, _ hash: UInt64, _ principal: Principal, provider index: Int, validUntil: Int64,
    freshUntil: Int64, form: TokenForm = .opaque
  ) -> VerifiedToken {
    let provider = providers[index]
    return VerifiedToken(
      bytes: [UInt8](token), hash: hash, principal: principal, key: nil, algorithm: nil, provider: index,
      providerFingerprint: provider.fingerprint, validUntil: validUntil, freshUntil: freshUntil,
      needsProof: principal.confirmation != nil || provider.proof.certificate == .required || provider.proof.dpop == .required,
      isAPIKey: provider.apiKeys != nil, form: form, epoch: epoch)
  }
}
