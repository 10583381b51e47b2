import JSON
import Testing

@testable import Tokens

@Suite("Internal tokens say who the user is, for one backend, on one connection")
struct InternalTokenTests {
  static let now = TestIssuer.now
  static let confirmation = Base64URL.encode([UInt8](repeating: 9, count: 32))

  private func principal(_ claims: JSONValue = TestIssuer.claims(), expiresAt: Int64 = now + 300) -> Principal {
    Principal(
      issuer: Array("https://idp.example.com/".utf8), subject: Array("al\"ice".utf8), claims: claims, scopes: [],
      expiresAt: expiresAt, keyThumbprint: [])
  }

  private func rules(_ claims: [ClaimRule] = [], ttl: Int64 = 60) -> InternalTokenRules {
    var rules = InternalTokenRules(issuer: "https://gateway.internal", audience: "orders")
    rules.claims = claims
    rules.ttl = ttl
    rules.confirmation = Self.confirmation
    return rules
  }

  private func minter(_ key: SigningKey, claims: [ClaimRule] = [], ttl: Int64 = 60) throws(KeySetError) -> InternalTokenMinter {
    try InternalTokenMinter(key: key, rules: rules(claims, ttl: ttl))
  }

  @Test("what is minted verifies with the published keys and carries the claims", arguments: [KeyGeneration.Kind.es256, .edDSA])
  func roundTrip(kind: KeyGeneration.Kind) throws {
    let key = TestIssuer(kind, kid: "2026-11").key
    let minter = try minter(
      key,
      claims: [
        ClaimRule("sub", .path("sub")), ClaimRule("scope", .path("scope")), ClaimRule("org", .path("tenant.id")),
        ClaimRule("missing", .path("nowhere")),
      ])
    var payload: [UInt8] = []
    for _ in 0..<200 {
      let minted = try minter.mint(principal: principal(), validUntil: Self.now + 330, now: Self.now, payload: &payload)
      let token = minted.bytes
      let jws = try CompactJWS(token.span)
      #expect(
        jws.header
          == .object([
            JSONMember("alg", JSONValue(text: "\(key.algorithm.name)")), JSONMember("typ", "int+jwt"),
            JSONMember("kid", "2026-11"),
          ]))
      #expect(
        try JSONParser.parse(jws.payload, limits: .token)
          == .object([
            JSONMember("iss", "https://gateway.internal"), JSONMember("aud", "orders"), JSONMember("sub", "al\"ice"),
            JSONMember("iat", .integer(Self.now)), JSONMember("exp", .integer(Self.now + 60)),
            JSONMember("scope", "orders:read orders:write"),
            JSONMember("org", .integer(7)), JSONMember("idp", "https://idp.example.com/"),
            JSONMember("cnf", .object([JSONMember("x5t#S256", .string(Self.confirmation))])),
          ]))
      let published = try KeySet.parse(PublishedKeySet(SigningKeySet([key])).json)
      let signature = jws.signature
      let valid = SignatureVerifier().isValid(
        signature.span, over: token.span.extracting(..<jws.signedCount), by: published.keys[0], algorithm: key.algorithm)
      #expect(valid)
    }
  }

  @Test("it never outlives the access token")
  func lifetime() throws {
    let minter = try minter(TestIssuer().key)
    func mint(_ expiresAt: Int64) -> MintedToken? {
      var payload: [UInt8] = []
      return try? minter.mint(
        principal: principal(expiresAt: expiresAt), validUntil: expiresAt == .min ? .min : expiresAt + 30, now: Self.now,
        payload: &payload)
    }
    #expect(mint(Self.now + 1000)?.expiresAt == Self.now + 60)
    #expect(mint(Self.now + 10)?.expiresAt == Self.now + 10)
    #expect(mint(Self.now + 1)?.expiresAt == Self.now + 1)
    // Alive by leeway alone: no longer than that.
    #expect(mint(Self.now)?.expiresAt == Self.now + 30)
    #expect(mint(Self.now - 29)?.expiresAt == Self.now + 1)
    #expect(mint(Self.now - 30) == nil)
    #expect(mint(.min) == nil)
  }

  @Test("it is used again until a quarter of its life is left")
  func reuse() throws {
    let issuer = TestIssuer()
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = try #require(verifier.verify(issuer.token()).token)
    let minted = MintedToken(bytes: [1], issuedAt: Self.now, expiresAt: Self.now + 60)
    let before = verifier.cache.bytes
    verifier.remember(minted: minted, backend: 3, for: token, now: Self.now)
    #expect(verifier.cache.bytes > before)
    #expect(token.minted(backend: 3, by: nil, now: Self.now + 44) === minted)
    #expect(token.minted(backend: 3, by: nil, now: Self.now + 45) == nil)
    #expect(token.minted(backend: 2, by: nil, now: Self.now) == nil)
    #expect(token.minted(backend: 3, by: try minter(issuer.key), now: Self.now) == nil)
    #expect(MintedToken(bytes: [], issuedAt: 0, expiresAt: 1).reuseUntil == 0)
    for backend in 0..<100 {
      verifier.remember(
        minted: MintedToken(bytes: [2], issuedAt: Self.now, expiresAt: Self.now + 60), backend: backend, for: token, now: Self.now
      )
      #expect(token.minted(backend: backend, by: nil, now: Self.now) != nil)
    }
    verifier.forgetMinted(token, now: Self.now)
    #expect(token.minted(backend: 99, by: nil, now: Self.now) == nil && verifier.cache.bytes <= before)
  }

  @Test("claims that the gateway sets cannot come from the access token", arguments: InternalTokenRules.reservedClaims + ["sub"])
  func reserved(name: String) throws {
    let key = TestIssuer().key
    #expect(throws: KeySetError.self) { try minter(key, claims: [ClaimRule(name, .path("tenant"))]) }
    #expect(throws: KeySetError.self) { try minter(key, claims: [ClaimRule(name, .constant("tenant"))]) }
    #expect(throws: KeySetError.self) { try minter(key, claims: [ClaimRule("a", .path("b")), ClaimRule("a", .path("c"))]) }
    #expect(throws: KeySetError.self) { try minter(key, ttl: 0) }
  }

  @Test("a signing key must be of its algorithm's kind")
  func wrongKeys() throws {
    let kinds: [(KeyGeneration.Kind, JOSEAlgorithm)] = [
      (.es384, .es256), (.edDSA, .es256), (.rsa2048, .es256), (.es256, .edDSA), (.rsa2048, .edDSA), (.rsa2048, .rs256),
      (.es384, .es384), (.es256, .hs256),
    ]
    for (kind, algorithm) in kinds {
      let pem = try KeyGeneration.makePEM(kind)
      #expect(throws: KeySetError.self, "\(kind) \(algorithm)") { try SigningKey(kid: "a", algorithm: algorithm, pem: pem) }
    }
    let pem = try KeyGeneration.makePEM(.es256)
    let publicPEM = try PEMKey(pem).publicPEM()
    #expect(throws: KeySetError.self) { try SigningKey(kid: "a", algorithm: .es256, pem: publicPEM) }
    #expect(throws: KeySetError.self) { try SigningKey(kid: "", algorithm: .es256, pem: pem) }
    #expect(throws: KeySetError.self) { try SigningKey(kid: "a", algorithm: .es256, pem: Array("x".utf8)) }
  }

  @Test("all keys are published, and only public halves leave")
  func rotation() throws {
    let pems = try (0..<3).map { _ in try KeyGeneration.makePEM(.es256) }
    let keys = try (0..<3).map { try SigningKey(kid: "k\($0)", algorithm: .es256, pem: pems[$0]) }
    let set = try SigningKeySet(keys)
    let published = try KeySet.parse(PublishedKeySet(set).json)
    #expect(published.keys.compactMap { $0.kid } == ["k0", "k1", "k2"].map { Array($0.utf8) })
    #expect(throws: KeySetError.self) { try SigningKeySet([keys[2], keys[2]]) }
    try KeyCrossCheck.run(set, published: PublishedKeySet(set))
  }

  @Test("a published set that does not match the keys is caught")
  func crossCheck() throws {
    let one = try SigningKeySet([TestIssuer(kid: "a").key])
    let other = try SigningKeySet([TestIssuer(kid: "a").key])
    #expect(throws: KeySetError.self) { try KeyCrossCheck.run(one, published: PublishedKeySet(other)) }
    #expect(throws: KeySetError.self) {
      try KeyCrossCheck.run(one, published: PublishedKeySet(SigningKeySet([TestIssuer(kid: "b").key])))
    }
    let edwards = try SigningKeySet([TestIssuer(.edDSA).key])
    try KeyCrossCheck.run(edwards, published: PublishedKeySet(edwards))
  }

  @Test("development tokens come from libjwt, and what it lacks is said")
  func development() throws {
    let pem = try KeyGeneration.makePEM(.edDSA)
    #expect(throws: KeySetError.self) { try DevelopmentToken.issue(claims: .object([]), algorithm: .edDSA, pem: pem, kid: nil) }
    let curve = try KeyGeneration.makePEM(.es256)
    #expect(throws: KeySetError.self) { try DevelopmentToken.issue(claims: .object([]), algorithm: .rs256, pem: curve, kid: nil) }
    #expect(throws: KeySetError.self) { try DevelopmentToken.issue(claims: .array([]), algorithm: .es256, pem: curve, kid: nil) }
    let set = try KeySet.parse(JWKSFile.make([(curve, nil, nil)]))
    let token = try DevelopmentToken.issue(claims: TestIssuer.claims(), algorithm: .es256, pem: curve, kid: nil)
    #expect(AccessTokenVerifier(TestIssuer().provider(keySet: set)).denial(token) == nil)
  }
}
