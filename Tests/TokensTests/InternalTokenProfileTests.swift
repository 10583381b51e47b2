import JSON
import Testing

@testable import Tokens

@Suite("An internal token says what it is configured to say, and no more")
struct InternalTokenProfileTests {
  static let now = TestIssuer.now
  static let key = TestIssuer(kid: "2026-11").key

  private func principal(
    _ changes: [String: JSONValue?] = [:], scopes: [String] = ["a", "b"], confirmation: Tokens.Confirmation? = nil
  ) -> Principal {
    Principal(
      issuer: Array("https://idp.example.com/".utf8), subject: Array("alice".utf8), claims: TestIssuer.claims(changes),
      scopes: scopes.map { Array($0.utf8) }, expiresAt: Self.now + 300, keyThumbprint: [], confirmation: confirmation)
  }

  private func rules(_ change: (inout InternalTokenRules) -> Void = { _ in }) -> InternalTokenRules {
    var rules = InternalTokenRules(issuer: "https://gateway.internal", audience: "orders")
    rules.confirmation = Array("thumbprint".utf8)
    rules.workload = "spiffe://example.internal/gateway"
    change(&rules)
    return rules
  }

  /// The header and the claims of a token that is minted with these rules.
  private func mint(
    _ principal: Principal, scope: String = "", id: String = "id-1", _ change: (inout InternalTokenRules) -> Void = { _ in }
  ) throws -> (header: JSONValue, claims: JSONValue) {
    let minter = try InternalTokenMinter(key: Self.key, rules: rules(change))
    var payload = Array("what was there before".utf8)
    let (requestID, address, method) = (Array(id.utf8), Array("192.0.2.7".utf8), Array("GET".utf8))
    let minted = try minter.mint(
      principal: principal, validUntil: Self.now + 330, now: Self.now,
      transaction: TransactionContext(
        id: requestID.span, clientAddress: address.span, method: method.span,
        route: Array(#","route":"orders","path":"/orders/{id}""#.utf8), scope: Array(scope.utf8)), payload: &payload)
    #expect(minted.isUnique == (minter.profile == .transaction))
    let token = minted.bytes
    let jws = try CompactJWS(token.span)
    return (jws.header, try JSONParser.parse(jws.payload, limits: .token))
  }

  private func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue { .object(members.map { JSONMember($0, $1) }) }

  @Test("a Txn-Token has the draft's claims")
  func transaction() throws {
    let (header, claims) = try mint(principal(), scope: "orders:read") {
      $0.profile = .transaction
      $0.audience = "example.internal"
      $0.claims = [ClaimRule("tenant", .path("tenant.id")), ClaimRule("env", .constant("production"))]
    }
    #expect(header == object(["alg": "ES256", "typ": "txntoken+jwt", "kid": "2026-11"]))
    #expect(
      claims
        == object([
          "iss": "https://gateway.internal", "aud": "example.internal", "sub": "alice", "iat": .integer(Self.now),
          "exp": .integer(Self.now + 60), "tenant": .integer(7), "idp": "https://idp.example.com/", "txn": "id-1",
          "scope": "orders:read", "rctx": object(["req_ip": "192.0.2.7", "authn": "urn:ietf:rfc:6750"]),
          "tctx": object(["method": "GET", "route": "orders", "path": "/orders/{id}"]), "env": "production",
          "req_wl": "spiffe://example.internal/gateway", "cnf": object(["x5t#S256": "thumbprint"]),
        ]))
  }

  @Test("`scope` of a Txn-Token is a rule's, or the route's, or the access token's")
  func scope() throws {
    func scope(_ route: String, _ source: ClaimRule.Source? = nil) throws -> JSONValue? {
      try mint(principal(), scope: route) {
        $0.profile = .transaction
        if let source { $0.claims = [ClaimRule("scope", source)] }
      }.claims.member("scope" as StaticString)
    }
    #expect(try scope("") == "a b")
    #expect(try scope("r") == "r")
    #expect(try scope("r", .path("scope")) == "orders:read orders:write")
    #expect(try scope("r", .constant("pay")) == "pay")
    // No string there: as if no rule named it, for the draft asks for a string.
    #expect(try scope("r", .path("tenant")) == "r")
    #expect(throws: KeySetError.self) { try scope("r", .constant(.array(["pay"]))) }
  }

  @Test("how the client was recognised stands in `rctx`")
  func authentication() throws {
    func method(_ confirmation: JSONValue?) throws -> JSONValue? {
      let claims = TestIssuer.claims(["cnf": confirmation])
      let principal = principal(confirmation: try Tokens.Confirmation(claims))
      return try mint(principal) { $0.profile = .transaction }.claims.value(at: "rctx.authn")
    }
    let thumbprint = JSONValue.string(Base64URL.encode([UInt8](repeating: 1, count: 32)))
    #expect(try method(nil) == "urn:ietf:rfc:6750")
    #expect(try method(object(["x5t#S256": thumbprint])) == "urn:ietf:rfc:8705")
    #expect(try method(object(["jkt": thumbprint])) == "urn:ietf:rfc:9449")
  }

  @Test("claims are taken by path and by name, and constants are what was written")
  func maps() throws {
    let claims = try mint(principal(["realm_access": object(["roles": .array(["a"])]), "azp": "web", "a.b": "dotted"])) {
      $0.claims = [
        ClaimRule("roles", .path("realm_access.roles")), ClaimRule("azp", .path("azp")), ClaimRule("x", .path("a.b")),
        ClaimRule("none", .path("a.c")), ClaimRule("n", .constant(.integer(3))), ClaimRule("o", .constant(object(["k": "v\"w"]))),
      ]
    }.claims
    #expect(claims.value(at: "roles") == .array(["a"]) && claims.value(at: "azp") == "web" && claims.value(at: "x") == "dotted")
    #expect(claims.value(at: "n") == .integer(3) && claims.value(at: "o.k") == "v\"w")
    #expect(claims.member("none" as StaticString) == nil && claims.member("client_id" as StaticString) == nil)
    let plain = try mint(principal(["azp": "web", "client_id": "c"])).claims
    #expect(plain.member("azp" as StaticString) == nil && plain.member("client_id" as StaticString) == nil)
  }

  @Test(
    "whoever acts for the subject is named, and four of those before",
    arguments: [InternalTokenRules.Profile.compact, .transaction])
  func actor(profile: InternalTokenRules.Profile) throws {
    var actor = object(["sub": "a6"])
    for number in (1...5).reversed() { actor = object(["sub": JSONValue(text: "a\(number)"), "iss": "i", "act": actor]) }
    let copied = try mint(principal(["act": actor])) { $0.profile = profile }.claims.member("act" as StaticString)
    #expect(copied?.value(at: "sub") == "a1" && copied?.value(at: "iss") == "i")
    #expect(copied?.value(at: "act.act.act.sub") == "a4")
    #expect(copied?.value(at: "act.act.act.act") == nil)
    #expect(try mint(principal()).claims.member("act" as StaticString) == nil)
  }

  @Test(
    "an actor that cannot be understood is no reason to leave it out",
    arguments: ["bob", .null, .array([]), .object([JSONMember("act", "x")])] as [JSONValue])
  func badActor(actor: JSONValue) {
    #expect(throws: MintFailure.actor) { try mint(principal(["act": actor])) }
  }

  @Test("a token is within its bound to the byte, or is not made")
  func bound() throws {
    let principal = principal(["big": JSONValue(text: String(repeating: "x", count: 900))])
    var payload: [UInt8] = []
    func count(_ maximum: Int) throws -> Int {
      let minter = try InternalTokenMinter(
        key: Self.key,
        rules: rules {
          $0.claims = [ClaimRule("big", .path("big"))]
          $0.maximumBytes = maximum
        })
      return try minter.mint(principal: principal, validUntil: Self.now + 330, now: Self.now, payload: &payload).bytes.count
    }
    let exact = try count(4096)
    #expect(exact > 1200)
    #expect(try count(exact) == exact)
    #expect(throws: MintFailure.tooLarge) { try count(exact - 1) }
  }

  @Test("no two Txn-Tokens are one, and none is made without a request")
  func unique() throws {
    let first = try mint(principal(), id: "1") { $0.profile = .transaction }
    let second = try mint(principal(), id: "2") { $0.profile = .transaction }
    #expect(first.claims.member("txn" as StaticString) == "1" && second.claims.member("txn" as StaticString) == "2")
    let minter = try InternalTokenMinter(key: Self.key, rules: rules { $0.profile = .transaction })
    var payload: [UInt8] = []
    #expect(throws: MintFailure.signature) {
      try minter.mint(principal: principal(), validUntil: Self.now + 330, now: Self.now, payload: &payload)
    }
  }
}
