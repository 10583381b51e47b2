import JSON
import Testing

@testable import Tokens

@Suite("An access token is accepted only when every check passes")
struct AccessTokenVerifierTests {
  let issuer = TestIssuer()

  private func denial(
    _ changes: [String: JSONValue?] = [:], header: [String: JSONValue?] = [:], provider: IdentityProvider? = nil,
    now: Int64 = TestIssuer.now
  ) -> TokenDenial? {
    AccessTokenVerifier(provider ?? issuer.provider())
      .denial(issuer.token(TestIssuer.claims(changes), header: issuer.header(header)), now: now)
  }

  @Test("a good token gives its principal, the second time from the cache")
  func good() throws {
    let verifier = AccessTokenVerifier(issuer.provider())
    let bytes = issuer.token()
    let first = verifier.verify(bytes)
    let token = try #require(first.token)
    #expect(first.wasCached == false)
    #expect(token.principal.subject == Array("alice".utf8))
    #expect(token.principal.issuer == Array("https://idp.example.com/".utf8))
    #expect(token.principal.scopes == [Array("orders:read".utf8), Array("orders:write".utf8)])
    #expect(token.principal.expiresAt == TestIssuer.now + 300)
    #expect(token.principal.claims.value(at: "tenant.id" as String) == .integer(7))
    #expect(token.principal.keyThumbprint == issuer.key.thumbprint && token.principal.keyThumbprint.count == 32)
    #expect(token.provider == 0)
    let second = verifier.verify(bytes)
    #expect(second.wasCached == true && second.token === token)
  }

  @Test("every kind of key that the gateway makes is accepted", arguments: KeyGeneration.Kind.allCases)
  func kinds(kind: KeyGeneration.Kind) throws {
    let token: [UInt8]
    let set: KeySet
    if kind == .es256 || kind == .edDSA {
      let issuer = TestIssuer(kind)
      token = issuer.token()
      set = issuer.keySet
    } else {
      let algorithm: JOSEAlgorithm = kind == .es384 ? .es384 : .rs256
      let pem = try KeyGeneration.makePEM(kind)
      set = try KeySet.parse(JWKSFile.make([(pem, "k9", nil)]))
      token = try DevelopmentToken.issue(claims: TestIssuer.claims(), algorithm: algorithm, pem: pem, kid: "k9")
    }
    let provider = issuer.provider(algorithms: [.es256, .es384, .rs256, .edDSA], keySet: set)
    #expect(AccessTokenVerifier(provider).denial(token) == nil)
  }

  @Test("a signature of one kind does not spoil the next of another")
  func mixedKinds() throws {
    let elliptic = TestIssuer(.es256, kid: "a")
    let edwards = TestIssuer(.edDSA, kid: "b")
    let set = try KeySet.parse(JSONWriter.bytes(.object([JSONMember("keys", .array([elliptic.key.publicJWK, edwards.key.publicJWK]))])))
    let verifier = AccessTokenVerifier(issuer.provider(keySet: set))
    for round in 0..<3 {
      for issuer in [edwards, elliptic] {
        #expect(verifier.denial(issuer.token(TestIssuer.claims(["jti": .string(Array("round-\(round)".utf8))]))) == nil)
      }
    }
  }

  // MARK: Structure

  @Test("what is no compact JWS of a JSON header and JSON claims is malformed")
  func malformed() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let good = String(decoding: issuer.token(), as: UTF8.self)
    let parts = good.split(separator: ".").map(String.init)
    for text in [
      "", ".", "..", "...", "a.b", "a.b.c", good + ".", "." + good, good + "=", good + " ", " " + good, good + "\n",
      parts[0] + "." + parts[1],
      "\(parts[0]).\(parts[1]).", ".\(parts[1]).\(parts[2])", "\(parts[0])=.\(parts[1]).\(parts[2])",
      good.replacing(".", with: "+", maxReplacements: 1),
      good + ".\(parts[2])", String(repeating: ".", count: 8000),
    ] {
      #expect(verifier.denial(Array(text.utf8)) == .malformed, "\(text)")
    }
    let header = JSONWriter.bytes(issuer.header())
    for payload in [
      "", "[]", "\"a\"", "1", "null", "{", #"{"a":1,"a":2}"#, "{}{}", "\u{feff}{}", #"{"exp":1e1000000}"#,
      #"{"a":[[[[[[[[1]]]]]]]]}"#,
    ] {
      #expect(verifier.denial(issuer.token(payload: Array(payload.utf8), header: header)) == .malformed, "\(payload)")
    }
    let claims = JSONWriter.bytes(TestIssuer.claims())
    for header in [
      "", "[]", "{}", #"{"alg":1}"#, #"{"alg":null}"#, #"{"alg":["ES256"]}"#, #"{"alg":"ES256","alg":"ES256"}"#,
      #"{"alg":"ES256","kid":1}"#, #"{"alg":"ES256","typ":1}"#, #"{"alg":"ES256","crit":[]}"#, #"{"alg":"ES256","crit":["exp"]}"#,
      #"{"alg":"ES256","crit":["b64"],"b64":false}"#, #"{"alg":"ES256","b64":false}"#, #"{"alg":"ES256","b64":"true"}"#,
    ] {
      #expect(verifier.denial(issuer.token(payload: claims, header: Array(header.utf8))) == .malformed, "\(header)")
    }
  }

  @Test("a token above the provider's size is too large, one of exactly it is not")
  func size() {
    let token = issuer.token()
    #expect(AccessTokenVerifier(issuer.provider(maximumTokenBytes: token.count)).denial(token) == nil)
    #expect(AccessTokenVerifier(issuer.provider(maximumTokenBytes: token.count - 1)).denial(token) == .tooLarge)
  }

  // MARK: Algorithm

  @Test(
    "an algorithm that the provider does not name is refused",
    arguments: [
      "none", "None", "NONE", "nOnE", "", "HS256", "HS512", "ES384", "es256", "ES256 ", "RSA-OAEP", "PS256", "ES256K", "Ed448",
    ])
  func algorithms(name: String) {
    #expect(denial(header: ["alg": JSONValue(text: name)]) == .algorithm)
  }

  @Test("an HMAC keyed with a public key's text or numbers is refused even where the provider names HS256")
  func confusion() throws {
    let pem = try PEMKey(privateKey: issuer.pem).publicPEM()
    let set = try KeySet(published: issuer.keySet, secret: Array(repeating: 7, count: 32), algorithms: [.hs256])
    let provider = issuer.provider(algorithms: [.es256, .hs256], keySet: set)
    for secret in [pem, issuer.key.publicJWK.asKeySet, JSONWriter.bytes(issuer.key.publicJWK)] {
      for kid in ["k1", nil] as [String?] {
        let token = try hmacToken(secret, kid: kid)
        #expect(AccessTokenVerifier(provider).denial(token) != nil)
        #expect(AccessTokenVerifier(issuer.provider()).denial(token) == .algorithm)
      }
    }
    #expect(AccessTokenVerifier(provider).denial(try hmacToken(Array(repeating: 7, count: 32), kid: nil)) == nil)
    #expect(AccessTokenVerifier(provider).denial(try hmacToken(Array(repeating: 7, count: 32), kid: "any")) == nil)
    #expect(AccessTokenVerifier(provider).denial(try hmacToken(Array(repeating: 8, count: 32), kid: nil)) == .signature)
  }

  private func hmacToken(_ secret: [UInt8], kid: String?) throws -> [UInt8] {
    TestHMAC.token(
      secret, claims: TestIssuer.claims(), header: issuer.header(["alg": "HS256", "kid": kid.map { JSONValue(text: $0) }]))
  }

  @Test("a key is used with its own algorithm only")
  func keyBoundAlgorithm() throws {
    let rsa = try KeyGeneration.makePEM(.rsa2048)
    let ps = try KeySet.parse(JWKSFile.make([(rsa, "k1", .ps256)]))
    let rs = try DevelopmentToken.issue(claims: TestIssuer.claims(), algorithm: .rs256, pem: rsa, kid: "k1")
    #expect(AccessTokenVerifier(issuer.provider(algorithms: [.rs256, .ps256], keySet: ps)).denial(rs) == .algorithm)
    // Without `alg` in the JWK, the provider's list decides.
    let jwk = try PEMKey(rsa).publicJWK(kid: "k1")
    let open = try KeySet.parse(jwk.asKeySet)
    #expect(AccessTokenVerifier(issuer.provider(algorithms: [.rs256], keySet: open)).denial(rs) == nil)
    #expect(AccessTokenVerifier(issuer.provider(algorithms: [.ps256], keySet: open)).denial(rs) == .algorithm)
    #expect(AccessTokenVerifier(issuer.provider(algorithms: [.es256, .rs256], keySet: issuer.keySet)).denial(rs) == .algorithm)
  }

  // MARK: Key and signature

  @Test(
    "a kid selects among the provider's keys and does nothing else",
    arguments: [
      "k2", "", "K1", "k1 ", "k1\u{0301}", "../../etc/passwd", "' OR 1=1 --", "https://evil.example/jwks.json",
    ])
  func kid(name: String) {
    #expect(denial(header: ["kid": JSONValue(text: name)]) == .keyUnknown)
  }

  @Test("without a kid the keys that fit are tried")
  func withoutKid() throws {
    #expect(denial(header: ["kid": nil]) == nil)
    let two = try KeySet.parse(JWKSFile.make([(issuer.pem, "k1", nil), (TestIssuer().pem, "k2", nil)]))
    #expect(denial(header: ["kid": nil], provider: issuer.provider(keySet: two)) == nil)
    let others = try KeySet.parse(JWKSFile.make([(TestIssuer().pem, "k1", nil), (TestIssuer().pem, "k2", nil)]))
    #expect(denial(header: ["kid": nil], provider: issuer.provider(keySet: others)) == .signature)
    let none = try KeySet.parse(JWKSFile.make([(TestIssuer(.edDSA).pem, "k1", nil)]))
    #expect(denial(header: ["kid": nil], provider: issuer.provider(keySet: none)) == .keyUnknown)
    let mixed = try KeySet.parse(JWKSFile.make([(issuer.pem, "k1", nil), (TestIssuer(.edDSA).pem, "k2", nil)]))
    #expect(denial(header: ["kid": nil], provider: issuer.provider(keySet: mixed)) == nil)
  }

  @Test("four signatures are computed for a token and no more, whatever keys fit and however many providers share its issuer")
  func atMostFourKeys() throws {
    func keySet(_ index: Int, of count: Int, named name: String?) throws -> KeySet {
      try KeySet.parse(JWKSFile.make((0..<count).map { ($0 == index ? issuer.pem : TestIssuer().pem, name ?? "k\($0)", nil) }))
    }
    for name in ["k1", nil] {
      let header: [String: JSONValue?] = ["kid": name.map { JSONValue(text: $0) }]
      for index in 0..<6 {
        let provider = issuer.provider(keySet: try keySet(index, of: 6, named: name))
        #expect(denial(header: header, provider: provider) == (index < 4 ? nil : .signature), "key \(index + 1)")
      }
    }
    var tries = SignatureTries()
    let keys = try keySet(9, of: 5, named: nil).keys
    for key in keys.prefix(4) {
      #expect(tries.mayGoOn && tries.result(of: key) == nil)
      tries.note(key, false)
    }
    #expect(!tries.mayGoOn && tries.result(of: keys[0]) == false && tries.result(of: keys[4]) == nil)
  }

  @Test("keys that the header brings along are never used")
  func headerKeys() {
    let attacker = TestIssuer(kid: "k1")
    let header = attacker.header([
      "jwk": attacker.key.publicJWK, "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/x",
      "x5c": .array(["MIIB"]),
    ])
    #expect(AccessTokenVerifier(issuer.provider()).denial(attacker.token(header: header)) == .signature)
  }

  @Test("no byte of a token can change")
  func tampering() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let good = issuer.token()
    for index in stride(from: 0, to: good.count, by: 3) {
      var changed = good
      changed[index] = changed[index] == 0x41 ? 0x42 : 0x41
      if changed != good { #expect(verifier.denial(changed) != nil, "byte \(index)") }
    }
  }

  @Test("a provider whose keys were never loaded answers for itself, and only for its own tokens")
  func keysUnavailable() {
    let provider = IdentityProvider(
      name: "main", issuer: "https://idp.example.com/", audiences: ["api"], algorithms: [.es256], keySet: nil)
    #expect(denial(provider: provider) == .keysUnavailable)
    #expect(denial(["iss": "other"], provider: provider) == .issuer)
  }

  // MARK: Claims

  @Test(
    "claims that do not fit name their denial",
    arguments: [
      (["iss": "https://idp.example.com"], .issuer), (["iss": nil], .issuer), (["iss": "https://IDP.example.com/"], .issuer),
      (["iss": .array(["https://idp.example.com/"])], .issuer),
      (["aud": nil], .audience), (["aud": "API"], .audience), (["aud": ""], .audience), (["aud": .array([])], .audience),
      (["aud": .array(["other", "api"])], nil), (["aud": .array(["api", .integer(1)])], .audience),
      (["aud": .integer(1)], .audience),
      (["sub": nil], .claims), (["sub": ""], .claims), (["sub": .integer(1)], .claims),
      (["exp": nil], .claims), (["exp": "1900000000"], .claims), (["exp": .null], .claims),
      (["nbf": "0"], .claims), (["iat": .boolean(true)], .claims), (["iat": nil], nil), (["exp": .integer(.max)], .claims),
      (["exp": .integer(.min)], .expired), (["nbf": .integer(.max)], .notYetValid), (["nbf": .integer(.min)], nil),
      (["exp": .number(1_800_000_600.5)], nil), (["exp": .integer(1_800_000_600_000)], .claims),
      (["exp": .integer(TestIssuer.now + 86_401)], .claims), (["iat": .integer(.min)], .claims),
      (["typ": "ID"], .type), (["typ": "Bearer"], nil), (["token_use": "id"], .type), (["token_use": "access"], nil),
    ] as [([String: JSONValue?], TokenDenial?)])
  func claims(changes: [String: JSONValue?], expected: TokenDenial?) {
    #expect(denial(changes) == expected)
  }

  @Test(
    "times are compared with the leeway, to the second",
    arguments: [
      ("exp", -30, .expired), ("exp", -29, nil), ("exp", -31, .expired), ("nbf", 30, nil), ("nbf", 31, .notYetValid),
      ("iat", 30, nil), ("iat", 31, .notYetValid), ("iat", -80_000, nil), ("iat", -100_000, .claims),
    ] as [(String, Int64, TokenDenial?)])
  func times(claim: String, offset: Int64, expected: TokenDenial?) {
    #expect(denial([claim: .integer(TestIssuer.now + offset)]) == expected)
  }

  @Test("a cached token expires at the second that a new one would")
  func cachedExpiry() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = issuer.token()
    #expect(verifier.denial(token) == nil)
    #expect(verifier.verify(token, now: TestIssuer.now + 329).wasCached == true)
    #expect(verifier.denial(token, now: TestIssuer.now + 330) == .expired)
    #expect(verifier.cache.count == 0)
    #expect(verifier.denial(token, now: TestIssuer.now + 330) == .expired)
  }

  @Test(
    "typ is compared without regard to case and to application/",
    arguments: [
      ("JWT", nil), ("jwt", nil), ("at+jwt", nil), ("AT+JWT", nil), ("application/at+jwt", nil), ("Application/AT+jwt", nil),
      ("int+jwt", .type), ("logout+jwt", .type), ("", .type), ("application/", .type), ("application/x/at+jwt", .type),
      ("at+jwt ", .type),
    ] as [(String, TokenDenial?)])
  func types(type: String, expected: TokenDenial?) {
    #expect(denial(header: ["typ": JSONValue(text: type)]) == expected)
  }

  @Test("an absent typ is accepted")
  func absentType() { #expect(denial(header: ["typ": nil]) == nil) }

  @Test(
    "required claims",
    arguments: [
      ("azp", ["web"], ["azp": "web"], nil), ("azp", ["web"], ["azp": "mobile"], .claims),
      ("azp", ["web", "mobile"], ["azp": "mobile"], nil),
      ("azp", ["web"], [:], .claims), ("azp", ["*"], [:], .claims), ("azp", ["*"], ["azp": .null], .claims),
      ("azp", ["*"], ["azp": ""], nil),
      ("amr", ["mfa"], ["amr": .array(["pwd", "mfa"])], nil), ("amr", ["mfa"], ["amr": .array([.array(["mfa"])])], .claims),
      ("amr", ["mfa"], ["amr": .object([JSONMember("mfa", "mfa")])], .claims), ("tenant.id", ["7"], [:], nil),
      ("tenant.id", ["8"], [:], .claims),
      ("email_verified", ["true"], ["email_verified": .boolean(true)], nil),
      ("email_verified", ["true"], ["email_verified": .boolean(false)], .claims),
    ] as [(String, [String], [String: JSONValue?], TokenDenial?)])
  func requiredClaims(path: String, values: [String], changes: [String: JSONValue?], expected: TokenDenial?) {
    #expect(denial(changes, provider: issuer.provider(requiredClaims: [.init(path: path, values: values)])) == expected)
  }

  @Test(
    "scopes come from a string or an array of strings, and from nothing else",
    arguments: [
      ("a b", ["a", "b"]), ("a", ["a"]), ("", []), (.array(["a", "b c"]), ["a", "b c"]), (.array(["a", .integer(1)]), []),
      (.integer(1), []),
      (.object([]), []), (.null, []),
    ] as [(JSONValue, [String])])
  func scopes(value: JSONValue, expected: [String]) throws {
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = try #require(verifier.verify(issuer.token(TestIssuer.claims(["scope": value]))).token)
    #expect(token.principal.scopes == expected.map { Array($0.utf8) })
  }

  @Test("the first check that fails names the denial")
  func order() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let bad = TestIssuer.claims(["iss": "x", "aud": "x", "exp": .integer(0), "sub": nil])
    #expect(verifier.denial(issuer.token(bad, header: issuer.header(["alg": "HS256", "typ": "x", "kid": "x"]))) == .algorithm)
    #expect(verifier.denial(issuer.token(bad, header: issuer.header(["typ": "x", "kid": "x"]))) == .type)
    #expect(verifier.denial(issuer.token(bad, header: issuer.header(["kid": "x"]))) == .issuer)
    let ours = TestIssuer.claims(["aud": "x", "exp": .integer(0), "sub": nil])
    #expect(verifier.denial(issuer.token(ours, header: issuer.header(["kid": "x"]))) == .keyUnknown)
    #expect(verifier.denial(TestIssuer().token(ours)) == .signature)
    #expect(verifier.denial(issuer.token(ours)) == .expired)
    #expect(verifier.denial(issuer.token(TestIssuer.claims(["aud": "x", "sub": nil]))) == .audience)
  }
}
