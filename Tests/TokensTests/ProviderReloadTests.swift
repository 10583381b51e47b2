import JSON
import Testing

@testable import Tokens

@Suite("Providers are kept apart, and a reload keeps only what is still good")
struct ProviderReloadTests {
  let issuer = TestIssuer()

  @Test("the issuer picks the provider, and only among those that the route accepts")
  func choice() throws {
    let other = TestIssuer(kid: "k1")
    let verifier = AccessTokenVerifier(issuer.provider(), other.provider(name: "partners", issuer: "https://partners.example/"))
    let mine = issuer.token()
    let theirs = other.token(TestIssuer.claims(["iss": "https://partners.example/"]))
    #expect(verifier.verify(mine, acceptable: .init([0, 1])).token?.provider == 0)
    #expect(verifier.verify(theirs, acceptable: .init([0, 1])).token?.provider == 1)
    // Cached now, and still not acceptable elsewhere.
    #expect(verifier.denial(mine, acceptable: .init([1])) == .issuer)
    #expect(verifier.denial(theirs, acceptable: .init([0])) == .issuer)
    #expect(verifier.verify(mine, acceptable: .init([0])).wasCached == true)
    // One provider's key says nothing for the other.
    #expect(verifier.denial(other.token(), acceptable: .init([0, 1])) == .signature)
  }

  @Test("the denial is that of the provider whose issuer the token names")
  func closest() {
    let verifier = AccessTokenVerifier(issuer.provider(), issuer.provider(issuer: "b", algorithms: [.rs256]))
    #expect(verifier.denial(issuer.token(TestIssuer.claims(["iss": "b"])), acceptable: .init([0, 1])) == .algorithm)
  }

  @Test("two providers of one issuer each apply their own rules")
  func sharedIssuer() {
    let verifier = AccessTokenVerifier(issuer.provider(audiences: ["web"]), issuer.provider(audiences: ["api"]))
    #expect(verifier.verify(issuer.token(), acceptable: .init([0, 1])).token?.provider == 1)
    #expect(verifier.denial(issuer.token(), acceptable: .init([0])) == .audience)
  }

  private func afterReload(_ providers: [IdentityProvider]) -> TokenVerdict {
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = issuer.token()
    let before = verifier.verify(token)
    before.token?.remember(verdict: 3, access: 5)
    if let held = before.token {
      verifier.remember(
        minted: MintedToken(bytes: [1], issuedAt: TestIssuer.now, expiresAt: TestIssuer.now + 60), backend: 0, for: held,
        now: TestIssuer.now)
    }
    verifier.install(providers: providers)
    return verifier.verify(token, acceptable: ProviderSet(Array(providers.indices)))
  }

  @Test("the same rules and the same key: the token stays, what it was used for is forgotten")
  func unchanged() throws {
    let verdict = afterReload([TestIssuer().provider(issuer: "new"), issuer.provider()])
    #expect(verdict.wasCached == true)
    let token = try #require(verdict.token)
    #expect(token.provider == 1 && token.epoch == 2)
    #expect(token.verdict(access: 5) == 0)
    #expect(token.minted(backend: 0, by: nil, now: TestIssuer.now) == nil)
  }

  @Test("other rules: the token is verified again")
  func rulesChanged() {
    #expect(afterReload([issuer.provider(leeway: 29)]).wasCached == false)
    #expect(afterReload([issuer.provider(requiredClaims: [.init(path: "azp", values: ["*"])])]).wasCached == nil)
    #expect(afterReload([issuer.provider(audiences: ["other"])]).wasCached == nil)
    #expect(afterReload([]).wasCached == nil)
  }

  @Test("a key that left the set is not accepted any more, cached or not")
  func keyRemoved() {
    guard case .denied(.keyUnknown) = afterReload([issuer.provider(keySet: TestIssuer(kid: "k2").keySet)]) else {
      Issue.record("accepted")
      return
    }
    guard case .denied(.signature) = afterReload([issuer.provider(keySet: TestIssuer(kid: "k1").keySet)]) else {
      Issue.record("another key under the same kid was taken for the old one")
      return
    }
  }

  @Test("each rule changes the fingerprint and the keys do not")
  func fingerprint() {
    let base = issuer.provider()
    let changed = [
      issuer.provider(issuer: "x"), issuer.provider(audiences: ["x"]), issuer.provider(audiences: ["api", "x"]),
      issuer.provider(algorithms: [.es256]), issuer.provider(leeway: 31), issuer.provider(maximumTokenBytes: 1),
      issuer.provider(requiredClaims: [.init(path: "a", values: ["b"])]),
      issuer.provider(requiredClaims: [.init(path: "a", values: ["*"])]),
    ]
    #expect(Set(changed.map(\.fingerprint) + [base.fingerprint]).count == changed.count + 1)
    #expect(issuer.provider(name: "renamed", keySet: TestIssuer().keySet).fingerprint == base.fingerprint)
  }

  @Test("verdicts are remembered for what routes share, and forgotten rather than confused")
  func verdicts() throws {
    let token = try #require(AccessTokenVerifier(issuer.provider()).verify(issuer.token()).token)
    token.remember(verdict: 1, access: 0)
    token.remember(verdict: 255, access: 9)
    #expect(token.verdict(access: 0) == 1 && token.verdict(access: 9) == 255 && token.verdict(access: 1) == 0)
    token.remember(verdict: 2, access: 8)
    #expect(token.verdict(access: 8) == 2 && token.verdict(access: 0) == 0)
    token.remember(verdict: 2, access: 1 << 24)
    #expect(token.verdict(access: 1 << 24) == 0)
  }
}
