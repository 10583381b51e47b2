import JSON
import Testing

@testable import Tokens

@Suite("Deny-lists")
struct RevocationListTests {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func principal(
    sub: String = "alice", iss: String = "https://a/", jti: String? = nil, sid: String? = nil, iat: JSONValue? = .integer(100)
  ) -> Principal {
    var members = [JSONMember("sub", JSONValue(text: sub))]
    if let jti { members.append(JSONMember("jti", JSONValue(text: jti))) }
    if let sid { members.append(JSONMember("sid", JSONValue(text: sid))) }
    if let iat { members.append(JSONMember("iat", iat)) }
    return Principal(
      issuer: bytes(iss), subject: bytes(sub), claims: .object(members), scopes: [], expiresAt: 1_000, keyThumbprint: [])
  }

  private func denies(_ entries: [Revocation], _ principal: Principal, kid: String? = "k1", now: Int64 = 500) -> Bool {
    RevocationList([RevocationTable(entries)], refusesEverything: false).denies(principal, kid: kid.map(bytes), now: now)
  }

  @Test("each kind denies what it names and nothing else")
  func kinds() {
    let token = principal(jti: "j", sid: "s")
    #expect(denies([Revocation(.jti, bytes("j"))], token))
    #expect(denies([Revocation(.sub, bytes("alice"))], token))
    #expect(denies([Revocation(.sid, bytes("s"))], token))
    #expect(denies([Revocation(.kid, bytes("k1"))], token))
    for kind in Revocation.Kind.allCases {
      #expect(!denies([Revocation(kind, bytes("other"))], token))
      // The same text under another name is another thing.
      for (value, own) in [("j", Revocation.Kind.jti), ("alice", .sub), ("s", .sid), ("k1", .kid)] where own != kind {
        #expect(!denies([Revocation(kind, bytes(value))], token))
      }
    }
    #expect(!denies([Revocation(.jti, bytes("j")), Revocation(.sid, bytes("s"))], principal()))
    #expect(!denies([Revocation(.kid, bytes("k1"))], token, kid: nil))
    #expect(!denies([], token))
  }

  @Test("an issuer confines an entry to its tokens")
  func issuers() {
    let mine = Revocation(.sub, bytes("alice"), issuer: bytes("https://a/"))
    #expect(denies([mine], principal()))
    #expect(!denies([mine], principal(iss: "https://b/")))
    #expect(!denies([Revocation(.sub, bytes("/alice"), issuer: bytes("https://a"))], principal()))
    #expect(denies([Revocation(.sub, bytes("alice"))], principal(iss: "https://b/")))
    #expect(denies([mine, Revocation(.sub, bytes("bob"))], principal(sub: "bob", iss: "https://b/")))
  }

  @Test("issued_before denies what is older than its second; a token without iat is as old as can be")
  func issuedBefore() {
    let entry = Revocation(.sub, bytes("alice"), issuedBefore: 100)
    #expect(denies([entry], principal(iat: .integer(99))))
    #expect(denies([entry], principal(iat: .number(99.999))))
    #expect(!denies([entry], principal(iat: .integer(100))))
    #expect(!denies([entry], principal(iat: .integer(101))))
    #expect(denies([entry], principal(iat: nil)))
    #expect(denies([entry], principal(iat: "yesterday")))
  }

  @Test("an entry ends with the second of until")
  func until() {
    let entry = Revocation(.jti, bytes("j"), until: 500)
    #expect(denies([entry], principal(jti: "j"), now: 499))
    #expect(!denies([entry], principal(jti: "j"), now: 500))
    #expect(!denies([Revocation(.jti, bytes("j"), until: .min)], principal(jti: "j"), now: 0))
  }

  @Test("two entries for the same thing deny what either denies, and no more")
  func merging() {
    let short = Revocation(.sub, bytes("alice"), until: 200)
    let old = Revocation(.sub, bytes("alice"), issuedBefore: 100)
    for entries in [[short, old], [old, short]] {
      #expect(denies(entries, principal(iat: .integer(150)), now: 199))
      #expect(!denies(entries, principal(iat: .integer(150)), now: 200))
      #expect(denies(entries, principal(iat: .integer(50)), now: 200))
    }
    #expect(RevocationTable([old, Revocation(.sub, bytes("alice"), issuedBefore: 90), old]).count == 1)
    #expect(RevocationTable([old, Revocation(.sub, bytes("alice"))]).count == 1)
  }

  @Test("many entries for one name are put together so that they stay few, and deny no less")
  func bounded() {
    let entries = (0..<10_000).map { Revocation(.sub, bytes("alice"), issuedBefore: Int64($0), until: Int64(20_000 - $0)) }
    #expect(RevocationTable(entries).count <= 4)
    for index in stride(from: 0, to: 10_000, by: 97) {
      #expect(denies(entries, principal(iat: .integer(Int64(index - 1))), now: Int64(19_999 - index)))
    }
  }

  @Test("the lists of several feeds are one")
  func feeds() {
    let list = RevocationList(
      [
        RevocationTable([Revocation(.jti, bytes("j"))]), .empty,
        RevocationTable([Revocation(.sid, bytes("s"), issuer: bytes("https://a/"))]),
      ],
      refusesEverything: false)
    #expect(list.count == 2)
    #expect(list.denies(principal(jti: "j"), kid: nil, now: 0))
    #expect(list.denies(principal(sid: "s"), kid: nil, now: 0))
    #expect(!list.denies(principal(sid: "s", iat: nil).with(issuer: "https://b/"), kid: nil, now: 0))
  }

  @Test("entries come one by one, and all of them count; the ended ones go")
  func layers() {
    var layers = RevocationLayers()
    for number in 0..<3_000 { layers.add([Revocation(.jti, bytes("\(number)"), until: number % 3 == 0 ? 10 : .max)], now: 0) }
    #expect(layers.count == 3_000)
    #expect(layers.tables.count <= 12)
    #expect(layers.firstEnd == 10)
    let list = RevocationList(layers.tables, refusesEverything: false)
    for number in 0..<3_000 { #expect(list.denies(principal(jti: "\(number)"), kid: nil, now: 0)) }
    #expect(!list.denies(principal(jti: "3000"), kid: nil, now: 0))
    #expect(layers.merged(now: 10).count == 2_000)
    #expect(RevocationLayers(.empty).isEmpty)
  }

  @Test("a table with many entries finds each of them, and nothing else")
  func large() {
    let table = RevocationTable((0..<50_000).map { Revocation(.sub, bytes("user-\($0)")) })
    #expect(table.count == 50_000)
    for number in stride(from: 0, to: 50_000, by: 7) {
      #expect(table.denies(RevocationTable.key(.sub, nil, bytes("user-\(number)")), issuedAt: nil, now: 0))
      #expect(!table.denies(RevocationTable.key(.sub, nil, bytes("nobody-\(number)")), issuedAt: nil, now: 0))
    }
  }

  // MARK: In the verifier

  private let issuer = TestIssuer()

  @Test("a token in the cache is refused from the next list on, and taken again when the entry is gone")
  func verifier() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = issuer.token(TestIssuer.claims(["jti": "j"]))
    #expect(verifier.verify(token).wasCached == false)
    #expect(verifier.verify(token).wasCached == true)
    let table = RevocationTable([Revocation(.jti, bytes("j"))])
    let other = RevocationTable([Revocation(.jti, bytes("x"))])
    verifier.install(RevocationList([other], refusesEverything: false))
    #expect(verifier.verify(token).wasCached == true)
    verifier.install(RevocationList([other, table], refusesEverything: false))
    #expect(verifier.denial(token) == .revoked)
    #expect(verifier.denial(token) == .revoked)
    #expect(verifier.cache.count == 0)
    verifier.install(RevocationList([other], refusesEverything: false))
    #expect(verifier.verify(token).wasCached == false)
  }

  @Test("a token that slept through several lists is held against all of them")
  func slept() {
    let verifier = AccessTokenVerifier(issuer.provider())
    let token = issuer.token(TestIssuer.claims(["jti": "j"]))
    #expect(verifier.verify(token).wasCached == false)
    let tables = ["j", "x", "y"].map { RevocationTable([Revocation(.jti, bytes($0))]) }
    for count in 1...3 { verifier.install(RevocationList(Array(tables[..<count]), refusesEverything: false)) }
    #expect(verifier.denial(token) == .revoked)
  }

  @Test("a key that is denied ends its tokens; a list that is not known refuses all of them, good or bad")
  func keysAndUnknown() {
    let verifier = AccessTokenVerifier(issuer.provider())
    verifier.install(RevocationList([RevocationTable([Revocation(.kid, bytes("k1"))])], refusesEverything: false))
    #expect(verifier.denial(issuer.token()) == .revoked)
    verifier.install(RevocationList([], refusesEverything: true))
    #expect(verifier.denial(issuer.token()) == .revocationUnavailable)
    #expect(verifier.denial([1, 2, 3]) == .revocationUnavailable)
    verifier.install(.none)
    #expect(verifier.denial(issuer.token()) == nil)
  }
}

extension Principal {
  fileprivate func with(issuer: String) -> Principal {
    Principal(
      issuer: Array(issuer.utf8), subject: subject, claims: claims, scopes: scopes, expiresAt: expiresAt,
      keyThumbprint: keyThumbprint)
  }
}
