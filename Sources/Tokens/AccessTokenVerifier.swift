import Bytes
import JSON

/// What `AccessTokenVerifier` says about a token.
package enum TokenVerdict {
  /// - Parameter cached: the signature was checked earlier.
  case accepted(VerifiedToken, cached: Bool)
  case denied(TokenDenial)
  /// The provider's set lacks the key that the token names by `kid`; fetching the set anew may bring it. Else `.keyUnknown`.
  case unknownKey(RemoteKeys, kid: [UInt8])
  /// The issuer has to be asked about the token, whose SHA-256 is `digest`. Else `.introspectionUnavailable`.
  case unanswered(RemoteIntrospection, digest: [UInt8])
}

/// Decides, on one worker, whether an access token is good, and remembers the good ones.
///
/// The checks of a token that was not seen before come in this order, and the first that fails names the denial: size;
/// structure; `alg` against the provider's list; `typ`; `iss`, which picks the provider; key; signature; `exp`, `nbf` and `iat`; how
/// long it lives; `aud`; what it is for; `sub` and the required claims. No signature is computed for a token whose issuer is not among the acceptable providers.
package final class AccessTokenVerifier {
  package private(set) var providers: [IdentityProvider]
  /// Counts up whenever providers or their keys change.
  package private(set) var epoch: UInt64 = 1
  package private(set) var revocations = RevocationList.none
  /// Counts up with each list: a token that was found good under the present one need not be looked for again.
  private var revocationEpoch: UInt32 = 1
  /// What the present list has and the last one had not: all that counts for a token that was found good under the last.
  private var revocationAdditions = RevocationList.none
  package let cache: VerifiedTokenCache
  private let signatures = SignatureVerifier()
  /// What the last verification missed, where it can be fetched.
  private var unknownKey: (RemoteKeys, kid: [UInt8])?
  /// What the last verification would ask its issuer about.
  var unanswered: (RemoteIntrospection, digest: [UInt8])?
  /// The issuer's word about a token, while `settle` looks at the requests that waited for it.
  private var arrived: (remote: RemoteIntrospection, digest: [UInt8], answer: IntrospectionAnswer)?
  private var inactive = InactiveTokens()
  /// See `takeLongLife`. No more names than there have been providers at once.
  private var longLife: String?
  private var lifeWasTold: Set<String> = []

  /// - Parameters:
  ///   - providers: those beyond `ProviderSet.maximum` are in no route's set.
  ///   - cacheBytes: the cache's bound.
  package init(providers: [IdentityProvider], cacheBytes: Int) {
    self.providers = providers
    cache = VerifiedTokenCache(capacity: cacheBytes)
  }

  /// Takes the providers of a new snapshot. Cached tokens are looked at again one by one, when they are next seen.
  package func install(providers: [IdentityProvider]) {
    self.providers = providers
    lifeWasTold.formIntersection(providers.map(\.name))
    epoch &+= 1
    signatures.forgetKeys()
  }

  /// Takes keys that were fetched, for the providers that they are fetched for; nil takes theirs away.
  package func install(_ keySet: KeySet?, for remote: RemoteKeys) {
    guard providers.contains(where: { $0.remote === remote }) else { return }
    install(providers: providers.map { $0.remote === remote ? IdentityProvider($0, keySet: keySet) : $0 })
  }

  /// - Parameters:
  ///   - token: the compact JWS, without the scheme.
  ///   - acceptable: the providers that may look at it.
  ///   - route: those, and others of the route, whose tokens are told to nobody else.
  ///   - now: seconds since 1970.
  package func verify(_ token: Span<UInt8>, acceptable: ProviderSet, route: ProviderSet, now: Int64) -> TokenVerdict {
    if revocations.refusesEverything { return .denied(.revocationUnavailable) }
    let hash = cache.hash(token)
    if let entry = cache.lookup(token, hash: hash) {
      if entry.epoch == epoch || revalidate(entry, now: now) {
        if now >= entry.freshUntil {
          cache.remove(entry)
          if now >= entry.validUntil, acceptable.contains(entry.provider), decides(entry, acceptable: acceptable, route: route) {
            return .denied(.expired)
          }
        } else if isRevoked(entry, now: now) {
          cache.remove(entry)
        } else if acceptable.contains(entry.provider), decides(entry, acceptable: acceptable, route: route) {
          return .accepted(entry, cached: true)
        }
      } else {
        cache.remove(entry)
      }
    }
    unknownKey = nil
    unanswered = nil
    do throws(TokenDenial) {
      let entry = try verifyAnew(token, hash: hash, acceptable: acceptable, route: route, now: now)
      guard !isRevoked(entry, now: now) else { return .denied(.revoked) }
      cache.insert(entry, now: now)
      return .accepted(entry, cached: false)
    } catch {
      if error == .keyUnknown, let (remote, kid) = unknownKey { return .unknownKey(remote, kid: kid) }
      if error == .introspectionUnavailable, let (remote, digest) = unanswered { return .unanswered(remote, digest: digest) }
      return .denied(error)
    }
  }

  /// The same, where all of the route's providers may look at it.
  package func verify(_ token: Span<UInt8>, acceptable: ProviderSet, now: Int64) -> TokenVerdict {
    verify(token, acceptable: acceptable, route: acceptable, now: now)
  }

  /// Keeps an internal token with the access token that it was minted for.
  package func remember(minted: MintedToken, backend: Int, for token: VerifiedToken, now: Int64) {
    cache.update(token, now: now) { token.remember(minted: minted, backend: backend) }
  }

  /// Drops the internal tokens kept with `token`: the client certificate that they name has changed.
  package func forgetMinted(_ token: VerifiedToken, now: Int64) {
    cache.update(token, now: now) { token.forgetMinted() }
  }

  /// Whether an entry of an older snapshot is good in this one: the provider that vouched has the same rules and still holds the
  /// key; an API key is looked up again. Takes it over when it is.
  private func revalidate(_ entry: VerifiedToken, now: Int64) -> Bool {
    for (index, provider) in providers.enumerated()
    where provider.fingerprint == entry.providerFingerprint && Self.vouches(provider, for: entry) {
      cache.update(entry, now: now) { entry.revalidate(provider: index, epoch: epoch) }
      return true
    }
    return false
  }

  private static func vouches(_ provider: IdentityProvider, for entry: VerifiedToken) -> Bool {
    if let key = entry.key { return provider.keySet?.holds(key) == true }
    return provider.introspection != nil
  }

  /// Of the provider that vouched for `token`, which was found good under the present snapshot.
  package func conventions(of token: VerifiedToken) -> ClaimConventions {
    providers.indices.contains(token.provider) ? providers[token.provider].conventions : ClaimConventions()
  }

  // MARK: What issuers say

  /// Runs `body`, in which `answer` is known, and remembers a token that is not active.
  package func settle(
    _ remote: RemoteIntrospection, digest: [UInt8], _ answer: IntrospectionAnswer, _ body: () -> Void
  ) {
    if case .inactive(let askedAt) = answer { inactive.insert(digest, remote, askedAt: askedAt) }
    arrived = (remote, digest, answer)
    body()
    arrived = nil
  }

  func answer(about digest: [UInt8], from remote: RemoteIntrospection) -> IntrospectionAnswer? {
    guard let arrived, arrived.remote === remote, arrived.digest == digest else { return nil }
    return arrived.answer
  }

  func isKnownInactive(_ digest: [UInt8], _ remote: RemoteIntrospection, now: Int64) -> Bool {
    inactive.contains(digest, remote, now: now)
  }

  // MARK: Revocation

  package func install(_ revocations: RevocationList) {
    revocationAdditions = revocations.additions(to: self.revocations)
    self.revocations = revocations
    revocationEpoch &+= 1
  }

  /// Whether the present list denies `token`. Entries that end do so with the next list.
  package func isRevoked(_ token: VerifiedToken, now: Int64) -> Bool {
    if token.revocationEpoch == revocationEpoch { return false }
    let list = token.revocationEpoch == revocationEpoch &- 1 ? revocationAdditions : revocations
    if list.denies(token.principal, kid: token.key?.kid, now: now) { return true }
    token.revocationEpoch = revocationEpoch
    return false
  }

  // MARK: A token not seen before

  private func verifyAnew(
    _ token: Span<UInt8>, hash: UInt64, acceptable: ProviderSet, route: ProviderSet, now: Int64
  ) throws(TokenDenial) -> VerifiedToken {
    let candidates = providers.indices.filter { acceptable.contains($0) && token.count <= providers[$0].maximumTokenBytes }
    guard !candidates.isEmpty else { throw .tooLarge }
    let signing = candidates.filter { providers[$0].isSigning }
    if signing.count < candidates.count,
      let entry = try verifyOpaque(token, hash: hash, candidates: candidates, acceptable: acceptable, route: route, now: now)
    {
      return entry
    }
    let jws = try CompactJWS(token)
    let claims = try Self.claims(jws)
    guard !signing.isEmpty else { throw .issuer }
    let chosen = try choose(signing, jws, claims)
    var denial = TokenDenial.issuer
    var tries = SignatureTries()
    // More than one only when providers share an issuer and differ in audience or rules.
    for index in chosen {
      do throws(TokenDenial) {
        return try verify(token, hash: hash, jws, claims, provider: index, &tries, now: now)
      } catch {
        denial = error
      }
    }
    throw denial
  }

  /// The claims set: a JSON object (RFC 7519 section 7.2).
  static func claims(_ jws: CompactJWS) throws(TokenDenial) -> JSONValue {
    guard let claims = try? JSONParser.parse(jws.payload, limits: .token), claims.members != nil else { throw .malformed }
    return claims
  }

  /// The candidates that the token is for. With none, the failure of those that come closest: with `iss` equal, the algorithm or
  /// type that they refuse; else the first check, of algorithm, type and issuer, that all fail.
  private func choose(_ candidates: [Int], _ jws: CompactJWS, _ claims: JSONValue) throws(TokenDenial) -> [Int] {
    let ours = candidates.filter { claims.member("iss") == .string(providers[$0].issuer) }
    let considered = ours.isEmpty ? candidates : ours
    let fittingAlgorithm = considered.filter { index in
      jws.algorithm.map { providers[index].algorithms.contains($0) } ?? false
    }
    guard !fittingAlgorithm.isEmpty else { throw .algorithm }
    let fittingType = fittingAlgorithm.filter { providers[$0].accepts(type: jws.type) }
    guard !fittingType.isEmpty else { throw .type }
    guard !ours.isEmpty else { throw .issuer }
    guard fittingType.count > 1 else { return fittingType }
    // Providers that share an issuer are told apart by the audience, before any signature is computed. When none fits, the first says
    // what is wrong.
    let fittingAudience = fittingType.filter { index in (try? providers[index].checkAudience(claims)) != nil }
    return fittingAudience.isEmpty ? [fittingType[0]] : fittingAudience
  }

  private func verify(
    _ token: Span<UInt8>, hash: UInt64, _ jws: CompactJWS, _ claims: JSONValue, provider index: Int, _ tries: inout SignatureTries, now: Int64
  ) throws(TokenDenial) -> VerifiedToken {
    let provider = providers[index]
    guard let algorithm = jws.algorithm else { throw .algorithm }
    guard let keySet = provider.keySet else { throw .keysUnavailable }
    let candidates: [VerificationKey]
    do throws(TokenDenial) {
      candidates = try keySet.candidates(kid: jws.kid, algorithm: algorithm)
    } catch {
      if error == .keyUnknown, let remote = provider.remote, let kid = jws.kid { unknownKey = (remote, kid) }
      throw error
    }
    let key = try signer(of: token, jws, among: candidates, algorithm, &tries)
    let expires = try provider.checkTimes(claims, now: now)
    try checkLife(claims, until: expires, provider, now: now)
    try provider.checkAudience(claims)
    try provider.checkUse(claims)
    guard case .string(let subject)? = claims.member("sub"), !subject.isEmpty else { throw .claims }
    try provider.checkNames(claims)
    try provider.checkRequiredClaims(claims)
    let claims = try provider.standardised(claims)
    let principal = Principal(
      issuer: provider.issuer, subject: subject, claims: claims, scopes: Principal.scopes(claims), expiresAt: expires,
      keyThumbprint: key.thumbprint, confirmation: try Confirmation(claims))
    let (validUntil, overflowed) = expires.addingReportingOverflow(provider.leeway)
    return VerifiedToken(
      bytes: [UInt8](token), hash: hash, principal: principal, key: key, algorithm: algorithm, provider: index,
      providerFingerprint: provider.fingerprint, validUntil: overflowed ? .max : validUntil,
      needsProof: principal.confirmation != nil || provider.proof.certificate == .required || provider.proof.dpop == .required,
      epoch: epoch)
  }

  func checkLife(_ claims: JSONValue, until expires: Int64, _ provider: IdentityProvider, now: Int64) throws(TokenDenial) {
    guard provider.allowsLife(claims, until: expires, now: now) else {
      if !lifeWasTold.contains(provider.name) { longLife = provider.name }
      throw .claims
    }
  }

  /// The name of a provider whose token was just refused because it would live for too long, once for each provider: an operator who
  /// sees it looks at `exp` and at `maximum_token_life`.
  package func takeLongLife() -> String? {
    guard let name = longLife else { return nil }
    longLife = nil
    lifeWasTold.insert(name)
    return name
  }

  /// The first of `candidates` whose signature it is.
  func signer(
    of token: Span<UInt8>, _ jws: CompactJWS, among candidates: [VerificationKey], _ algorithm: JOSEAlgorithm, _ tries: inout SignatureTries
  ) throws(TokenDenial) -> VerificationKey {
    let message = token.extracting(..<jws.signedCount)
    let signature = jws.signature
    for key in candidates {
      if let isValid = tries.result(of: key) {
        if isValid { return key }
        continue
      }
      guard tries.mayGoOn else { break }
      let isValid = signatures.isValid(signature.span, over: message, by: key, algorithm: algorithm)
      tries.note(key, isValid)
      if isValid { return key }
    }
    throw .signature
  }
}
