import Crypto
import Foundation
import Testing

@testable import GatehouseBackend

@Suite("An internal token is believed when every check holds")
struct InternalTokenVerifierTests {
  static let gateway = TestGateway()
  static let bound = InternalTokenVerifier.Connection.connection(clientCertificate: TestGateway.certificate)

  @Test("and says who the user is", arguments: SignatureAlgorithm.allCases)
  func accepted(algorithm: SignatureAlgorithm) async throws {
    let gateway = TestGateway(algorithm)
    let token = try await gateway.verifier().verify(gateway.token(), on: Self.bound)
    #expect(token.subject == "alice")
    #expect(token.issuer == "https://gateway.internal")
    #expect(token.audience == "orders")
    #expect(token.identityProvider == "https://idp.example.com/")
    #expect(token.scopes == ["orders:read", "orders:write"])
    #expect(token.claims["tenant"] == .string("acme"))
    #expect(token.issuedAt == TestGateway.now && token.expiresAt == TestGateway.now + 60)
    #expect(token.keyID == "2026-11" && token.algorithm == algorithm && token.transaction == nil)
  }

  @Test("its parts are spelt in one way")
  func structure() async {
    let good = Self.gateway.token()
    let parts = good.split(separator: ".").map(String.init)
    let hostile = [
      "", ".", "..", "...", "a.b", good + ".", good + ".e30", good + "=", " " + good, good + "\n", parts[0],
      parts[0] + "." + parts[1],
      parts[0] + "." + parts[1] + ".", "." + parts[1] + "." + parts[2], parts[0] + "=." + parts[1] + "." + parts[2],
      good.replacingOccurrences(of: ".", with: "。"), "Bearer " + good,
    ]
    for token in hostile {
      guard case .malformed? = await Self.gateway.refusal(of: token) else {
        Issue.record("not malformed: \(token)")
        continue
      }
    }
    #expect(await Self.gateway.refusal(of: parts[0] + ".." + parts[2]) == .signature)
    #expect(await Self.gateway.refusal(of: String(repeating: "a", count: 16 << 10 + 1)) == .tooLarge)
  }

  @Test(
    "its header is one JSON object that names no extension",
    arguments: [
      "", "[]", "{", "{}", "null", #"{"alg":1}"#, #"{"typ":"int+jwt","kid":"2026-11"}"#,
      #"{"alg":"ES256","alg":"ES256","typ":"int+jwt","kid":"2026-11"}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","\u0061lg":"none"}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","crit":["exp"]}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","crit":[]}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","b64":false}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":7}"#, #"{"alg":"ES256","typ":["int+jwt"],"kid":"2026-11"}"#,
      "\u{feff}" + #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11"}"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11"}x"#,
      #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","x":"# + String(repeating: "[", count: 500)
        + String(repeating: "]", count: 500) + "}",
    ])
  func header(text: String) async {
    guard case .malformed? = await Self.gateway.refusal(of: Self.gateway.token(header: text)) else {
      Issue.record("not malformed: \(text)")
      return
    }
  }

  @Test(
    "its type is the profile's, exactly",
    arguments: ["JWT", "at+jwt", "INT+JWT", "int+jwt ", "application/int+jwt", "txntoken+jwt", "dpop+jwt"])
  func type(type: String) async {
    let header = #"{"alg":"ES256","typ":"\#(type)","kid":"2026-11"}"#
    #expect(await Self.gateway.refusal(of: Self.gateway.token(header: header)) == .type)
    #expect(await Self.gateway.refusal(of: Self.gateway.token(header: #"{"alg":"ES256","kid":"2026-11"}"#)) == .type)
  }

  @Test(
    "the key says which algorithm, not the token",
    arguments: ["none", "None", "HS256", "RS256", "PS256", "ES384", "EdDSA", "es256", "ES256K", ""])
  func algorithm(name: String) async throws {
    let header = #"{"alg":"\#(name)","typ":"int+jwt","kid":"2026-11"}"#
    #expect(await Self.gateway.refusal(of: Self.gateway.token(header: header)) == .algorithm)
    // Signed with what anybody can read in the key set.
    let signed = base64url(header.utf8) + "." + base64url(TestGateway.claims().utf8)
    let mac = HMAC<SHA256>.authenticationCode(
      for: Array(signed.utf8), using: SymmetricKey(data: Array(Self.gateway.jwk.utf8)))
    #expect(await Self.gateway.refusal(of: signed + "." + base64url(mac)) == .algorithm)
    #expect(await Self.gateway.refusal(of: signed + ".AA") == .algorithm)
  }

  @Test("algorithms that the backend does not want are refused, whatever the keys are for")
  func narrowed() async {
    await #expect(throws: InternalTokenError.algorithm) {
      try await Self.gateway.verifier(algorithms: [.edDSA]).verify(Self.gateway.token(), on: Self.bound)
    }
  }

  @Test("a key that the gateway does not publish, or that the token brings along")
  func unknownKey() async {
    let other = TestGateway()
    #expect(await Self.gateway.refusal(of: other.token()) == .signature)
    let renamed = #"{"alg":"ES256","typ":"int+jwt","kid":"other","jwk":{\#(other.jwk)},"jku":"https://evil.example.com/"}"#
    #expect(await Self.gateway.refusal(of: other.token(header: renamed)) == .unknownKey)
    let embedded = #"{"alg":"ES256","typ":"int+jwt","kid":"2026-11","jwk":{\#(other.jwk)}}"#
    #expect(await Self.gateway.refusal(of: other.token(header: embedded)) == .signature)
    let nameless = #"{"alg":"ES256","typ":"int+jwt"}"#
    #expect(await Self.gateway.refusal(of: Self.gateway.token(header: nameless)) == nil)
  }

  @Test("a signature over these bytes and no others")
  func signature() async throws {
    let good = Self.gateway.token()
    let parts = good.split(separator: ".").map(String.init)
    let signature = try #require(Base64URL.decode(parts[2].utf8))
    let other = base64url(TestGateway.claims(["sub": "\"mallory\""]).utf8)
    #expect(await Self.gateway.refusal(of: [parts[0], other, parts[2]].joined(separator: ".")) == .signature)
    func refusal(_ signature: [UInt8]) async -> InternalTokenError? {
      await Self.gateway.refusal(of: [parts[0], parts[1], base64url(signature)].joined(separator: "."))
    }
    #expect(await refusal(signature) == nil)
    for index in signature.indices {
      var changed = signature
      changed[index] ^= 1
      #expect(await refusal(changed) == .signature)
    }
    for count in [1, 32, 63] { #expect(await refusal(Array(signature.prefix(count))) == .signature) }
    #expect(await refusal(signature + [0]) == .signature)
    #expect(await refusal([UInt8](repeating: 0, count: 64)) == .signature)
    // r and s in DER, as X.509 writes them, are not what JWS takes.
    let der = try P256.Signing.ECDSASignature(rawRepresentation: signature).derRepresentation
    #expect(await refusal(Array(der)) == .signature)
  }

  @Test(
    "claims that are no object, or say a thing twice",
    arguments: [
      "", "[]", "\"alice\"", "null", #"{"sub":"alice","sub":"bob"}"#, "{\"sub\":\"\u{0001}\"}", #"{"sub":"\ud800"}"#,
      #"{"exp":1e999}"#, #"{"exp":99999999999999999999}"#,
    ])
  func malformedClaims(claims: String) async {
    guard case .malformed? = await Self.gateway.refusal(of: Self.gateway.token(claims)) else {
      Issue.record("not malformed: \(claims)")
      return
    }
  }

  @Test("claims of another gateway, another backend, another type")
  func claims() async {
    func refusal(_ name: String, _ value: String?) async -> InternalTokenError? {
      await Self.gateway.refusal(of: Self.gateway.token(TestGateway.claims([name: value])))
    }
    for value in [
      nil, "null", "7", "\"https://gateway.internal/\"", "\"HTTPS://gateway.internal\"", "[\"https://gateway.internal\"]",
    ] {
      #expect(await refusal("iss", value) == .issuer)
    }
    for value in [nil, "null", "\"users\"", "\"Orders\"", "\"\"", "[\"orders\"]", "[\"orders\",\"users\"]"] {
      #expect(await refusal("aud", value) == .audience)
    }
    for value in [nil, "null", "\"1800000060\"", "true", "[1800000060]"] {
      #expect(await refusal("exp", value) == .claim("exp"))
      #expect(await refusal("iat", value) == .claim("iat"))
      if value != nil { #expect(await refusal("nbf", value) == .claim("nbf")) }
    }
    for value in [nil, "null", "7", "\"\"", "[\"alice\"]"] { #expect(await refusal("sub", value) == .claim("sub")) }
  }

  @Test("strings that look alike are not alike")
  func canonicalEquivalence() async {
    let composed = TestGateway.claims(["aud": "\"caf\u{e9}\""])
    let verifier = InternalTokenVerifier(
      keys: KeySetCache { [jwks = TestGateway.jwks(Self.gateway)] in FetchedKeySet(content: jwks) },
      issuer: "https://gateway.internal", audience: "cafe\u{301}", now: { TestGateway.now })
    await #expect(throws: InternalTokenError.audience) {
      try await verifier.verify(Self.gateway.token(composed), on: Self.bound)
    }
  }

  @Test("times, with the leeway granted and not a second more")
  func times() async {
    let token = Self.gateway.token(TestGateway.claims(["nbf": "\(TestGateway.now + 5)"]))
    let (iat, exp) = (TestGateway.now, TestGateway.now + 60)
    #expect(await Self.gateway.refusal(of: token, now: exp + 29) == nil)
    #expect(await Self.gateway.refusal(of: token, now: exp + 30) == .expired)
    #expect(await Self.gateway.refusal(of: token, now: iat - 25) == nil)
    #expect(await Self.gateway.refusal(of: token, now: iat - 26) == .notYetValid)
    let plain = Self.gateway.token()
    #expect(await Self.gateway.refusal(of: plain, now: iat - 30) == nil)
    #expect(await Self.gateway.refusal(of: plain, now: iat - 31) == .notYetValid)
    for exp in ["-9223372036854775808", "0", "-1e18"] {
      #expect(await Self.gateway.refusal(of: Self.gateway.token(TestGateway.claims(["exp": exp]))) == .expired)
    }
    let eternal = Self.gateway.token(TestGateway.claims(["exp": "9223372036854775807"]))
    #expect(await Self.gateway.refusal(of: eternal) == nil)
    let fraction = Self.gateway.token(TestGateway.claims(["exp": "\(exp).75"]))
    #expect(await Self.gateway.refusal(of: fraction, now: exp + 30) == .expired)
  }

  @Test(
    "a leeway that is out of range counts as the nearest that is not",
    arguments: [(.max, 300), (301, 300), (-1, 0), (.min, 0)] as [(Int64, Int64)])
  func leewayOutOfRange(leeway: Int64, counts: Int64) async {
    let (token, exp) = (Self.gateway.token(), TestGateway.now + 60)
    #expect(await Self.gateway.refusal(of: token, leeway: leeway, now: exp + counts - 1) == nil)
    #expect(await Self.gateway.refusal(of: token, leeway: leeway, now: exp + counts) == .expired)
  }

  @Test("the connection that the token came on is the one it was made for")
  func binding() async {
    let token = Self.gateway.token()
    #expect(await Self.gateway.refusal(of: token, on: .connection(clientCertificate: nil)) == .binding)
    #expect(await Self.gateway.refusal(of: token, on: .connection(clientCertificate: [])) == .binding)
    #expect(await Self.gateway.refusal(of: token, on: .connection(clientCertificate: TestGateway.certificate + [0])) == .binding)
    let thumbprint = Array(SHA256.hash(data: TestGateway.certificate))
    #expect(await Self.gateway.refusal(of: token, on: .certificateThumbprint(thumbprint)) == nil)
    #expect(await Self.gateway.refusal(of: token, on: .certificateThumbprint(Array(thumbprint.dropLast()))) == .binding)
    #expect(await Self.gateway.refusal(of: token, on: .certificateThumbprint([])) == .binding)
    let padded = base64url(thumbprint) + "="
    for confirmation in [
      nil, "null", "{}", "\"x\"", #"{"jkt":"\#(base64url(thumbprint))"}"#, #"{"x5t#S256":""}"#, #"{"x5t#S256":7}"#,
      #"{"x5t#S256":"\#(padded)"}"#, #"{"x5t#S256":"\#(base64url(thumbprint.dropLast()))"}"#,
    ] {
      let unbound = Self.gateway.token(TestGateway.claims(["cnf": confirmation]))
      #expect(await Self.gateway.refusal(of: unbound) == .binding)
      #expect(await Self.gateway.refusal(of: unbound, on: .unchecked) == nil)
    }
  }

  @Test("transaction tokens, where they are asked for")
  func transaction() async throws {
    let verifier = Self.gateway.verifier(profile: .transaction)
    let header = #"{"alg":"ES256","typ":"txntoken+jwt","kid":"2026-11"}"#
    let claims = TestGateway.claims(["txn": "\"97053963\"", "rctx": #"{"req_ip":"192.0.2.1"}"#])
    let token = try await verifier.verify(Self.gateway.token(claims, header: header), on: Self.bound)
    #expect(token.transaction == "97053963")
    #expect(token.claims["rctx"]?["req_ip"] == .string("192.0.2.1"))
    await #expect(throws: InternalTokenError.claim("txn")) {
      try await verifier.verify(Self.gateway.token(header: header), on: Self.bound)
    }
    await #expect(throws: InternalTokenError.type) { try await verifier.verify(Self.gateway.token(claims), on: Self.bound) }
  }

  @Test("every error has a word of its own")
  func codes() {
    let errors: [InternalTokenError] = [
      .tooLarge, .malformed(""), .type, .algorithm, .unknownKey, .signature, .claim(""), .issuer, .audience, .expired,
      .notYetValid, .binding, .keysUnavailable,
    ]
    #expect(Set(errors.map(\.code)).count == errors.count)
  }
}
