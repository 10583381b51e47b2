import JSON
import Testing

@testable import Tokens

@Suite("Tokens that issuers are asked about")
struct IntrospectionTests {
  static let now = TestIssuer.now
  let remote = RemoteIntrospection(name: "opaque", identity: ["opaque"], lifetime: 30, inactiveLifetime: 10, patience: 1000)

  func provider(
    issuer: String = "https://opaque.example.com/", audiences: [String] = [], leeway: Int64 = 30,
    remote: RemoteIntrospection? = nil
  ) -> IdentityProvider {
    IdentityProvider(
      name: "opaque", issuer: issuer, audiences: audiences, algorithms: [], leeway: leeway, keySet: nil,
      introspection: remote ?? self.remote)
  }

  /// What a verification comes to once the issuer has answered.
  func verdict(
    _ verifier: AccessTokenVerifier, _ token: String, _ answer: IntrospectionAnswer, now: Int64 = now,
    acceptable: ProviderSet = ProviderSet([0])
  ) -> TokenVerdict? {
    guard case .unanswered(let asked, let digest) = verifier.verify(Array(token.utf8), acceptable: acceptable, now: now) else {
      return nil
    }
    var verdict: TokenVerdict?
    verifier.settle(asked, digest: digest, answer) {
      verdict = verifier.verify(Array(token.utf8), acceptable: acceptable, now: now)
    }
    return verdict
  }

  func active(_ members: (String, JSONValue)..., askedAt: Int64 = now) -> IntrospectionAnswer {
    .active(.object(members.map { JSONMember($0.0, $0.1) }), askedAt: askedAt)
  }

  func denial(_ verdict: TokenVerdict?) -> TokenDenial? { if case .denied(let denial)? = verdict { denial } else { nil } }

  @Test func `An answer is kept as long as it may be, and not longer than exp`() throws {
    let verifier = AccessTokenVerifier(provider())
    let token = try #require(verdict(verifier, "opaque-1", active(("sub", "alice"), ("scope", "a b")))?.token)
    #expect(
      token.principal.subject == Array("alice".utf8) && token.principal.scopes.count == 2 && token.principal.expiresAt == .max)
    #expect(verifier.verify(Array("opaque-1".utf8), now: Self.now + 29).wasCached == true)
    guard case .unanswered = verifier.verify(Array("opaque-1".utf8), now: Self.now + 30) else { return #expect(Bool(false)) }

    let short = verdict(verifier, "opaque-2", active(("sub", "alice"), ("exp", .integer(Self.now - 20))))
    #expect(short?.token?.validUntil == Self.now + 10)
    #expect(denial(verifier.verify(Array("opaque-2".utf8), now: Self.now + 10)) == .expired)
  }

  @Test func `An answer that was long on its way counts from the question`() {
    let verifier = AccessTokenVerifier(provider())
    #expect(verdict(verifier, "opaque", active(("sub", "alice"), askedAt: Self.now - 5))?.token != nil)
    #expect(verifier.verify(Array("opaque".utf8), now: Self.now + 24).wasCached == true)
    #expect(verifier.verify(Array("opaque".utf8), now: Self.now + 25).wasCached == nil)
  }

  @Test func `A token that is not active is refused without asking again, for its time`() {
    let verifier = AccessTokenVerifier(provider())
    #expect(denial(verdict(verifier, "bad", .inactive(askedAt: Self.now))) == .inactive)
    #expect(verifier.denial(Array("bad".utf8), now: Self.now + 9) == .inactive)
    #expect(verifier.denial(Array("bad".utf8), now: Self.now + 10) == nil)
    // A clock that was set back keeps nobody out.
    #expect(verifier.denial(Array("bad".utf8), now: Self.now - 100) == nil)
    #expect(verifier.denial(Array("other".utf8)) == nil)
  }

  @Test func `Without an answer nobody passes, and nothing is remembered`() {
    let verifier = AccessTokenVerifier(provider())
    #expect(denial(verdict(verifier, "opaque", .unavailable)) == .introspectionUnavailable)
    #expect(verdict(verifier, "opaque", active(("sub", "alice")))?.token != nil)
    #expect(verifier.cache.count == 1)
  }

  @Test(
    arguments: [
      ([("iss", "https://opaque.example.com"), ("sub", "a")], TokenDenial.issuer),
      ([("iss", .integer(1)), ("sub", "a")], .issuer),
      ([("sub", .null), ("username", "a")], .claims), ([("sub", "")], .claims),
      ([("username", .boolean(true)), ("client_id", "a")], .claims),
      ([], .claims), ([("sub", "a"), ("exp", .integer(now - 30))], .expired), ([("sub", "a"), ("exp", "1")], .claims),
      ([("sub", "a"), ("nbf", .integer(now + 31))], .notYetValid), ([("sub", "a"), ("iat", .integer(now + 31))], .notYetValid),
      ([("sub", "a"), ("cnf", .object([]))], .claims),
    ] as [([(String, JSONValue)], TokenDenial)])
  func `What does not fit is refused`(members: [(String, JSONValue)], expected: TokenDenial) {
    let verifier = AccessTokenVerifier(provider())
    #expect(
      denial(verdict(verifier, "t", .active(.object(members.map { JSONMember($0.0, $0.1) }), askedAt: Self.now))) == expected)
    #expect(verifier.cache.count == 0)
  }

  @Test func `Audiences that are asked for must be there`() {
    let verifier = AccessTokenVerifier(provider(audiences: ["api"]))
    #expect(denial(verdict(verifier, "t", active(("sub", "a")))) == .audience)
    #expect(denial(verdict(verifier, "t", active(("sub", "a"), ("aud", "other")))) == .audience)
    #expect(verdict(verifier, "t", active(("sub", "a"), ("aud", .array(["x", "api"]))))?.token != nil)
  }

  @Test func `The subject stands in sub, else in username, else in client_id`() {
    let verifier = AccessTokenVerifier(provider())
    let named = verdict(verifier, "1", active(("client_id", "app"), ("username", "bob")))?.token
    #expect(named?.principal.subject == Array("bob".utf8))
    #expect(named?.principal.claims.member("sub") == "bob")
    #expect(verdict(verifier, "2", active(("client_id", "app")))?.token?.principal.subject == Array("app".utf8))
  }

  @Test func `A binding is honoured`() {
    let verifier = AccessTokenVerifier(provider())
    let cnf = JSONValue.object([JSONMember("x5t#S256", JSONValue(text: String(repeating: "A", count: 43)))])
    let token = verdict(verifier, "t", active(("sub", "a"), ("cnf", cnf)))?.token
    #expect(token?.needsProof == true && token?.principal.confirmation?.certificate?.count == 32)
  }

  @Test func `Revocations hold for them`() {
    let verifier = AccessTokenVerifier(provider())
    #expect(verdict(verifier, "t", active(("sub", "mallory")))?.token != nil)
    verifier.install(RevocationList([RevocationTable([Revocation(.sub, Array("mallory".utf8))])], refusesEverything: false))
    guard case .unanswered = verifier.verify(Array("t".utf8)) else { return #expect(Bool(false)) }
    #expect(denial(verdict(verifier, "t", active(("sub", "mallory")))) == .revoked)
    #expect(verdict(verifier, "u", active(("sub", "alice")))?.token != nil)
  }

  @Test func `Another configuration of the provider forgets what is cached, the same one does not`() {
    let verifier = AccessTokenVerifier(provider())
    #expect(verdict(verifier, "t", active(("sub", "a")))?.token != nil)
    verifier.install(providers: [provider()])
    #expect(verifier.verify(Array("t".utf8)).wasCached == true)
    let other = RemoteIntrospection(name: "opaque", identity: ["another"], lifetime: 30, inactiveLifetime: 10, patience: 1000)
    verifier.install(providers: [provider(remote: other)])
    #expect(verifier.verify(Array("t".utf8)).wasCached == nil)
  }

  @Test func `An answer of another server settles nothing`() {
    let verifier = AccessTokenVerifier(provider())
    guard case .unanswered(_, let digest) = verifier.verify(Array("t".utf8)) else { return #expect(Bool(false)) }
    let other = RemoteIntrospection(name: "x", identity: ["x"], lifetime: 30, inactiveLifetime: 10, patience: 1000)
    verifier.settle(other, digest: digest, active(("sub", "a"))) { #expect(verifier.verify(Array("t".utf8)).token == nil) }
    verifier.settle(remote, digest: [UInt8](repeating: 1, count: 32), active(("sub", "a"))) {
      #expect(verifier.verify(Array("t".utf8)).token == nil)
    }
  }

  @Test func `Who decides is clear from the token`() {
    let issuer = TestIssuer()
    let both = ProviderSet([0, 1])
    let verifier = AccessTokenVerifier(issuer.provider(), provider())
    #expect(verifier.verify(issuer.token(), acceptable: both).token != nil)
    #expect(verifier.denial(issuer.token(TestIssuer.claims(["iss": "https://evil.example.com/"])), acceptable: both) == .issuer)
    for asked in [
      issuer.token(TestIssuer.claims(["iss": "https://opaque.example.com/"])), Array("a.b.c".utf8), Array("opaque".utf8),
    ] {
      guard case .unanswered = verifier.verify(asked, acceptable: both) else {
        #expect(Bool(false), "\(String(decoding: asked, as: UTF8.self))")
        continue
      }
    }
    #expect(verifier.denial(Array("opaque".utf8), acceptable: ProviderSet([0])) == .malformed)
    for bad in ["", "a b", "ü", "\u{7f}"] { #expect(verifier.denial(Array(bad.utf8), acceptable: both) == .malformed) }
    #expect(verifier.denial([UInt8](repeating: 0x61, count: 9000), acceptable: both) == .tooLarge)
  }

  @Test(
    arguments: [
      ("", .opaque), ("a.b.c", .opaque), ("..", .opaque), ("eyJ", .opaque), ("eyJ.a", .opaque), ("eyJ.a.b.c.d", .opaque),
      ("fyJhIjoxfQ.e30.AA", .opaque), ("eyJ..", .unreadable), ("eyJ.a.b", .unreadable), ("eyJ!.a.b", .unreadable),
      // Spaces before the object, and within it.
      ("ICAgIHsgfQ.e30.AA", .unreadable), ("e30K.e30.AA", .unreadable), ("eyAiYWxnIjoxfQ==.e30.AA", .unreadable),
      ("ICAgICAg.e30.AA", .opaque),
      ("eyJhbGciOiJub25lIn0.e30.AA", .jwt(issuer: nil)), ("eyJhbGciOiJub25lIn0.eyJpc3MiOjF9.AA", .jwt(issuer: nil)),
      ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.AA", .jwt(issuer: [0x61])), ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.", .unreadable),
    ] as [(String, TokenForm)])
  func `How a token is written`(text: String, form: TokenForm) { #expect(TokenForm(Array(text.utf8).span) == form) }

  @Test func `What is in the cache does not say who decides`() {
    let issuer = TestIssuer()
    let (both, alone) = (ProviderSet([0, 1]), ProviderSet([1]))
    let verifier = AccessTokenVerifier(issuer.provider(), provider())
    let whole = String(decoding: issuer.token(), as: UTF8.self)
    let unreadable = String(whole[...whole.lastIndex(of: ".")!])
    for (text, expected) in [(whole, nil), (unreadable, .malformed)] as [(String, TokenDenial?)] {
      // Where nobody has keys its issuer is asked, and the answer is kept.
      #expect(verdict(verifier, text, active(("sub", "asked")), acceptable: alone)?.token?.principal.subject == Array("asked".utf8))
      #expect(verifier.verify(Array(text.utf8), acceptable: alone, now: Self.now).token?.key == nil)
      let here = verifier.verify(Array(text.utf8), acceptable: both, now: Self.now)
      #expect(denial(here) == expected)
      if expected == nil { #expect(here.token?.key != nil) }
    }
    let foreign = String(decoding: issuer.token(TestIssuer.claims(["iss": "https://opaque.example.com/"])), as: UTF8.self)
    for text in ["opaque", foreign] {
      #expect(verdict(verifier, text, active(("sub", "asked")), acceptable: alone)?.token != nil)
      guard case .accepted(_, cached: true) = verifier.verify(Array(text.utf8), acceptable: both, now: Self.now) else {
        #expect(Bool(false), "\(text)")
        continue
      }
    }
  }

  @Test(
    arguments: [
      (#"{"active":true,"sub":"a"}"#, true), (#"{"active":false,"sub":"a"}"#, false), (#"{"active":"true"}"#, nil),
      (#"{"active":1}"#, nil),
      (#"{"sub":"a"}"#, nil), ("[]", nil), ("", nil), ("true", nil), (#"{"active":true,"active":false}"#, nil),
      (#"{"active":true"#, nil),
      (#"{"active":true} x"#, nil), (#"{"active":true,"a":[[[[[[[[[1]]]]]]]]]}"#, nil), (#"{"Active":true}"#, nil),
      (#"{"active":true,"a":"\#(String(repeating: "x", count: 64 << 10))"}"#, nil),
    ] as [(String, Bool?)])
  func `A response is read in one way or not at all`(text: String, isActive: Bool?) {
    switch IntrospectionAnswer.parse(Array(text.utf8), askedAt: 7) {
    case .active(let members, let askedAt):
      #expect(isActive == true && askedAt == 7 && members.member("active") == nil && members.member("sub") == "a")
    case .inactive(let askedAt): #expect(isActive == false && askedAt == 7)
    case .unavailable: #expect(isActive == nil)
    }
  }
}
