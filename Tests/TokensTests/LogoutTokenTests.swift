import JSON
import Testing

@testable import Tokens

@Suite("Logout tokens (OpenID Connect Back-Channel Logout 1.0)")
struct LogoutTokenTests {
  private let issuer = TestIssuer()
  private static let event = JSONValue.object([JSONMember("http://schemas.openid.net/event/backchannel-logout", .object([]))])

  private func verifier(_ rules: LogoutRules? = LogoutRules(audiences: ["web"], keep: 3_600, endsAllSessions: false))
    -> AccessTokenVerifier
  {
    AccessTokenVerifier(
      providers: [
        issuer.provider(issuer: "https://other/"),
        IdentityProvider(
          name: "main", issuer: "https://idp.example.com/", audiences: ["api"], algorithms: [.es256], keySet: issuer.keySet,
          logout: rules),
      ], cacheBytes: 1 << 16)
  }

  private func claims(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
    var all: [String: JSONValue?] = [
      "aud": "web", "exp": .integer(TestIssuer.now + 120), "jti": "1", "sid": "s1", "events": Self.event, "scope": nil,
      "tenant": nil,
    ]
    all.merge(changes) { $1 }
    return TestIssuer.claims(all)
  }

  private func verdict(
    _ changes: [String: JSONValue?] = [:], header: [String: JSONValue?] = [:], _ verifier: AccessTokenVerifier? = nil
  ) -> LogoutVerdict {
    var header = header
    if header["typ"] == nil { header["typ"] = "logout+jwt" }
    let token = issuer.token(claims(changes), header: issuer.header(header))
    return (verifier ?? self.verifier()).verifyLogout(token.span, now: TestIssuer.now)
  }

  private func reason(of token: [UInt8]) -> String? { reason(verifier().verifyLogout(token.span, now: TestIssuer.now)) }

  private func entries(_ verdict: LogoutVerdict) -> [Revocation]? {
    if case .accepted(let entries, _) = verdict { entries } else { nil }
  }

  private func reason(_ verdict: LogoutVerdict) -> String? { if case .refused(let reason) = verdict { "\(reason)" } else { nil } }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  struct Wrong: Sendable, CustomTestStringConvertible {
    let changes: [String: JSONValue?]
    let reason: String
    var testDescription: String { "\(reason): \(changes.keys.sorted())" }

    init(_ changes: [String: JSONValue?], _ reason: String) {
      self.changes = changes
      self.reason = reason
    }
  }

  @Test("a session ends, or all that a user had until then")
  func denies() throws {
    let until = TestIssuer.now + 3_600 + 30
    let iss = bytes("https://idp.example.com/")
    let session = Revocation(.sid, bytes("s1"), issuer: iss, until: until)
    let user = Revocation(.sub, bytes("alice"), issuer: iss, issuedBefore: TestIssuer.now + 1, until: until)
    #expect(entries(verdict()) == [session])
    #expect(entries(verdict(["sub": nil])) == [session])
    #expect(entries(verdict(["sid": nil])) == [user])
    let all = verifier(LogoutRules(audiences: ["web"], keep: 3_600, endsAllSessions: true))
    #expect(entries(verdict([:], all)) == [session, user])
    guard case .accepted(_, let id) = verdict() else {
      Issue.record("refused")
      return
    }
    #expect(id == bytes("1"))
  }

  @Test("what else may be there")
  func lenient() {
    #expect(entries(verdict(["aud": .array(["x", "web"])])) != nil)
    #expect(entries(verdict(header: ["typ": "JWT"])) != nil)
    #expect(entries(verdict(header: ["typ": nil])) != nil)
    #expect(entries(verdict(header: ["typ": "application/logout+jwt"])) != nil)
    #expect(entries(verdict(["exp": .integer(TestIssuer.now - 29)])) != nil)
    #expect(entries(verdict(["iat": .integer(TestIssuer.now + 30)])) != nil)
  }

  @Test(
    "hostile and broken ones, each with its reason",
    arguments: [
      Wrong(["iss": "https://elsewhere/"], "iss is nobody's who may log out here"),
      Wrong(["iss": "https://other/"], "iss is nobody's who may log out here"),
      Wrong(["iss": nil], "iss is nobody's who may log out here"),
      Wrong(["aud": "api"], "aud is not ours"),
      Wrong(["aud": nil], "aud is not ours"),
      Wrong(["aud": .array([])], "aud is not ours"),
      Wrong(["aud": .array([.integer(1)])], "aud is not ours"),
      Wrong(["iat": nil], "iat and exp must be there"),
      Wrong(["exp": nil], "iat and exp must be there"),
      Wrong(["exp": "soon"], "iat and exp must be there"),
      Wrong(["exp": .integer(TestIssuer.now - 30)], "the token has expired"),
      Wrong(["iat": .integer(TestIssuer.now + 31)], "iat is in the future"),
      Wrong(["iat": .integer(TestIssuer.now - 631)], "the token is too old"),
      Wrong(["events": nil], "events has no back-channel logout"),
      Wrong(["events": "x"], "events has no back-channel logout"),
      Wrong(["events": .object([])], "events has no back-channel logout"),
      Wrong(
        ["events": .object([JSONMember("http://schemas.openid.net/event/backchannel-logout", .boolean(true))])],
        "events has no back-channel logout"),
      Wrong(["events": .array(["http://schemas.openid.net/event/backchannel-logout"])], "events has no back-channel logout"),
      Wrong(["nonce": "n"], "nonce must not be there"),
      Wrong(["nonce": .null], "nonce must not be there"),
      Wrong(["jti": nil], "jti is missing"),
      Wrong(["jti": ""], "jti is missing"),
      Wrong(["jti": .integer(1)], "jti is missing"),
      Wrong(["sub": nil, "sid": nil], "sub or sid must be there, as text"),
      Wrong(["sid": .integer(4)], "sub or sid must be there, as text"),
      Wrong(["sub": ""], "sub or sid must be there, as text"),
      Wrong(["sub": .null], "sub or sid must be there, as text"),
    ])
  func refused(wrong: Wrong) {
    #expect(reason(verdict(wrong.changes)) == wrong.reason)
  }

  @Test("types, algorithms and keys")
  func signatures() {
    #expect(reason(verdict(header: ["typ": "at+jwt"])) == "typ is not that of a logout token")
    #expect(reason(verdict(header: ["typ": "secevent+jwt"])) == "typ is not that of a logout token")
    #expect(reason(verdict(header: ["alg": "none"])) == "alg is not accepted")
    #expect(reason(verdict(header: ["alg": "HS256"])) == "alg is not accepted")
    #expect(reason(verdict(header: ["kid": "k2"])) == "no known key belongs to the token")
    #expect(reason(verdict(header: ["crit": .array(["b64"])])) == "no signed JWT with JSON in it")
    #expect(reason(verdict([:], verifier(nil))) == "iss is nobody's who may log out here")
    let forged = TestIssuer().token(claims(), header: issuer.header(["typ": "logout+jwt"]))
    #expect(
      reason(of: forged)
        == "the signature does not verify")
    for junk in ["", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30."] {
      #expect(
        reason(of: bytes(junk))
          == "no signed JWT with JSON in it")
    }
    // An access token is no logout token, and a logout token is none either.
    let access = issuer.token()
    #expect(
      reason(of: access)
        == "typ is not that of a logout token")
    let token = issuer.token(claims(), header: issuer.header(["typ": "logout+jwt"]))
    #expect(verifier().denial(token, acceptable: .init([1])) == .type)
  }

  @Test("a key that is denied logs nobody out")
  func deniedKey() {
    let verifier = verifier()
    verifier.install(RevocationList([RevocationTable([Revocation(.kid, bytes("k1"))])], refusesEverything: false))
    #expect(reason(verdict([:], verifier)) == "the key was revoked")
  }

  @Test("a token is taken once, and again when it was taken back")
  func replay() {
    let cache = ReplayCache(maximum: 64)
    #expect(cache.insert([1], of: [2], now: 0, lifetime: 100) == .accepted)
    #expect(cache.insert([1], of: [2], now: 50, lifetime: 100) == .seen)
    cache.remove([1], of: [2])
    #expect(cache.insert([1], of: [2], now: 50, lifetime: 100) == .accepted)
    #expect(cache.insert([1], of: [2], now: 120, lifetime: 100) == .seen)
    cache.remove([1], of: [2])
    #expect(cache.insert([1], of: [2], now: 120, lifetime: 100) == .accepted)
  }
}
