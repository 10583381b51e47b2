import Cryptography
import JSON
import Testing

@testable import Tokens

@Suite("API keys")
struct APIKeyTests {
  static let now = TestIssuer.now

  private func key(_ id: String, subject: String = "billing", scope: String = "orders:read", expiresAt: Int64? = nil) -> (
    APIKey, [UInt8]
  ) {
    let made = APIKey.make(id: Array(id.utf8))
    let key = APIKey(
      id: Array(id.utf8), salt: made.salt, hash: made.hash, issuer: Array("keys".utf8), subject: Array(subject.utf8),
      claims: [JSONMember("scope", JSONValue(text: scope))], expiresAt: expiresAt)
    return (key, made.text)
  }

  private func provider(_ keys: APIKey..., requiredClaims: [IdentityProvider.RequiredClaim] = []) -> IdentityProvider {
    IdentityProvider(
      name: "machines", issuer: "keys", audiences: [], algorithms: [], leeway: 0, requiredClaims: requiredClaims, keySet: nil,
      apiKeys: APIKeySet(keys))
  }

  @Test func `A key is its id and 256 random bits`() {
    let (one, two) = (APIKey.make(id: Array("billing-1".utf8)), APIKey.make(id: Array("billing-1".utf8)))
    #expect(one.text != two.text && one.salt != two.salt && one.salt.count == 16 && one.hash.count == 32)
    #expect(one.text.count == 4 + 9 + 1 + 43 && one.text.starts(with: "ghk_billing-1_".utf8))
    #expect(one.hash == Digest.sha256(one.salt + one.text))
    #expect(id(of: one.text) == Array("billing-1".utf8))
    #expect(APIKey.isID(APIKey.makeID()) && APIKey.makeID() != APIKey.makeID())
  }

  @Test(arguments: [
    "", "ghk_", "ghk__", "ghk_short_" + String(repeating: "A", count: 43), "ghk_billing-1_" + String(repeating: "A", count: 42),
    "ghk_billing-1_" + String(repeating: "A", count: 44), "ghk_billing-1_" + String(repeating: "A", count: 42) + "=",
    "ghk_billing-1_" + String(repeating: "A", count: 42) + "B", "GHK_billing-1_" + String(repeating: "A", count: 43),
    "ghk_Billing-1_" + String(repeating: "A", count: 43), "ghk_billing_11_" + String(repeating: "A", count: 43),
    "xhk_billing-1_" + String(repeating: "A", count: 43),
    "ghk_" + String(repeating: "b", count: 33) + "_" + String(repeating: "A", count: 43),
  ])
  func `What is written otherwise is no key`(text: String) {
    #expect(id(of: Array(text.utf8)) == nil)
  }

  private func id(of text: [UInt8]) -> [UInt8]? { APIKey.id(of: text.span) }

  @Test func `A key that is known passes, and is looked up again in the next snapshot`() throws {
    let (one, text) = key("billing-1")
    let (two, other) = key("billing-2", subject: "shipping")
    let verifier = AccessTokenVerifier(provider(one, two))
    let token = try #require(verifier.verify(text).token)
    #expect(token.principal.subject == Array("billing".utf8) && token.principal.issuer == Array("keys".utf8))
    #expect(token.principal.scopes == [Array("orders:read".utf8)] && token.principal.claims.member("sub") == "billing")
    #expect(verifier.verify(text).wasCached == true)
    #expect(verifier.verify(text, now: Self.now + 1_000_000_000).wasCached == true)
    #expect(verifier.denial(Array(text.dropLast(43)) + Array(other.suffix(43))) == .apiKeyInvalid)
    verifier.install(providers: [provider(one, two)])
    #expect(verifier.verify(text).wasCached == false)
    verifier.install(providers: [provider(two)])
    #expect(verifier.denial(text) == .apiKeyInvalid)
    #expect(verifier.verify(other).token != nil)
  }

  @Test func `A key that is over is refused, and cached ones with it`() {
    let (key, text) = key("billing-1", expiresAt: Self.now + 10)
    let verifier = AccessTokenVerifier(provider(key))
    #expect(verifier.verify(text, now: Self.now + 9).token != nil)
    #expect(verifier.denial(text, now: Self.now + 10) == .expired)
    #expect(verifier.denial(text, now: Self.now + 11) == .expired)
    #expect(verifier.denial(Array(text.dropLast(43)) + [UInt8](repeating: 0x41, count: 43), now: Self.now + 11) == .apiKeyInvalid)
  }

  @Test func `Required claims hold for keys`() {
    let (key, text) = key("billing-1")
    let verifier = AccessTokenVerifier(provider(key, requiredClaims: [.init(path: "roles", values: ["machine"])]))
    #expect(verifier.denial(text) == .claims)
  }

  @Test func `Keys and tokens go side by side`() {
    let issuer = TestIssuer()
    let (key, text) = key("billing-1")
    let verifier = AccessTokenVerifier(issuer.provider(), provider(key))
    let both = ProviderSet([0, 1])
    #expect(verifier.verify(text, acceptable: both).token?.provider == 1)
    #expect(verifier.verify(issuer.token(), acceptable: both).token?.provider == 0)
    #expect(verifier.denial(text, acceptable: ProviderSet([0])) == .malformed)
    #expect(verifier.denial(issuer.token(), acceptable: ProviderSet([1])) == .apiKeyInvalid)
    #expect(verifier.denial(Array("opaque".utf8), acceptable: both) == .malformed)
  }

  @Test func `Revocations hold for keys`() {
    let (key, text) = key("billing-1")
    let verifier = AccessTokenVerifier(provider(key))
    #expect(verifier.verify(text).token != nil)
    verifier.install(RevocationList([RevocationTable([Revocation(.sub, Array("billing".utf8))])], refusesEverything: false))
    #expect(verifier.denial(text) == .revoked)
  }
}
