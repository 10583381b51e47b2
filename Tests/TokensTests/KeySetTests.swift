import JSON
import Testing

@testable import Tokens

@Suite("A key set gives up its usable keys, or is refused")
struct KeySetTests {
  private func error(_ json: String) -> String? {
    do throws(KeySetError) {
      _ = try KeySet.parse(Array(json.utf8))
      return nil
    } catch { return error.description }
  }

  private func jwk(
    _ kind: KeyGeneration.Kind = .es256, kid: String? = "a", adding members: [JSONMember] = [], removing: [String] = []
  ) throws -> JSONValue {
    let jwk = try PEMKey(KeyGeneration.makePEM(kind)).publicJWK(kid: kid)
    let removed = removing + members.map { String(decoding: $0.name, as: UTF8.self) }
    return .object((jwk.members ?? []).filter { !removed.contains(String(decoding: $0.name, as: UTF8.self)) } + members)
  }

  private func set(_ keys: JSONValue...) -> [UInt8] { JSONWriter.bytes(.object([JSONMember("keys", .array(keys))])) }

  @Test(
    "documents that are no key set",
    arguments: ["", "{}", "[]", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[1,"a",null,[]]}"#, #"{"keys":[],"keys":[]}"#])
  func noSet(json: String) { #expect(error(json) != nil) }

  @Test("secret members refuse the whole set", arguments: ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
  func secrets(member: String) throws {
    let bytes = set(try jwk(), try jwk(kid: "b", adding: [JSONMember(member, "AA")]))
    #expect(throws: KeySetError.self) { try KeySet.parse(bytes) }
  }

  @Test("an oct key refuses the whole set")
  func symmetric() throws {
    let oct = JSONValue.object([JSONMember("kty", "oct"), JSONMember("k", "AAAA"), JSONMember("alg", "HS256")])
    let bytes = set(try jwk(), oct)
    #expect(throws: KeySetError.self) { try KeySet.parse(bytes) }
  }

  private func names(_ set: KeySet, kid: String?, _ algorithm: JOSEAlgorithm) -> [[UInt8]]? {
    (try? set.candidates(kid: kid.map { Array($0.utf8) }, algorithm: algorithm))?.map(\.thumbprint)
  }

  @Test("a kid used twice is that of either key, and the algorithm chooses where it can")
  func duplicateKid() throws {
    let mixed = try KeySet.parse(set(try jwk(.rsa2048), try jwk(), try jwk(.edDSA), try jwk(kid: "b")))
    #expect(mixed.keys.count == 4)
    #expect(names(mixed, kid: "a", .es256) == [mixed.keys[1].thumbprint])
    #expect(names(mixed, kid: "a", .rs256) == [mixed.keys[0].thumbprint])
    #expect(names(mixed, kid: "a", .es384) == nil && names(mixed, kid: "c", .es256) == nil)
    #expect(names(mixed, kid: nil, .es256) == [mixed.keys[1].thumbprint, mixed.keys[3].thumbprint])
    let same = try KeySet.parse(set(try jwk(), try jwk()))
    #expect(names(same, kid: "a", .es256) == same.keys.map(\.thumbprint))
    // One that cannot be used takes nothing from the other.
    let unusable = try KeySet.parse(set(try jwk(adding: [JSONMember("use", "enc")]), try jwk()))
    #expect(unusable.keys.count == 1 && unusable.skipped.count == 1 && names(unusable, kid: "a", .es256)?.count == 1)
  }

  @Test("four keys are tried at most, in the set's order, and one that stands there twice is one")
  func manyCandidates() throws {
    let keys = try (0..<7).map { _ in try jwk() }
    let twice = keys.flatMap { [$0, $0] }
    let parsed = try KeySet.parse(JSONWriter.bytes(.object([JSONMember("keys", .array(twice))])))
    #expect(parsed.keys.count == 14)
    #expect(names(parsed, kid: "a", .es256) == [0, 2, 4, 6].map { parsed.keys[$0].thumbprint })
    #expect(names(parsed, kid: nil, .es256) == [0, 2, 4, 6].map { parsed.keys[$0].thumbprint })
  }

  @Test("a byte order mark before a set says nothing, and one elsewhere breaks it")
  func byteOrderMark() throws {
    let bytes = set(try jwk())
    #expect(try KeySet.parse([0xef, 0xbb, 0xbf] + bytes).keys.count == 1)
    for wrong in [[0xef, 0xbb] + bytes, [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf] + bytes, [0xfe, 0xff] + bytes, bytes + [0xef, 0xbb, 0xbf]] as [[UInt8]] {
      #expect(throws: KeySetError.self) { try KeySet.parse(wrong) }
    }
  }

  @Test("a coordinate has its curve's width, also where the other makes up for it", arguments: [KeyGeneration.Kind.es256, .es384])
  func widths(kind: KeyGeneration.Kind) throws {
    let good = try jwk(kind)
    let coordinates = ["x", "y"].compactMap { (name: String) in good.member(name)?.bytes.flatMap { Base64URL.decode($0) } }
    try #require(coordinates.count == 2)
    let shifted = [coordinates[0] + coordinates[1].prefix(1), Array(coordinates[1].dropFirst())]
      .map { JSONValue.string(Base64URL.encode($0)) }
    let bad = try #require(good.members).filter { !["x", "y"].contains(String(decoding: $0.name, as: UTF8.self)) }
    #expect(throws: KeySetError.self) {
      try VerificationKey.parse(.object(bad + [JSONMember("x", shifted[0]), JSONMember("y", shifted[1])]))
    }
    _ = try VerificationKey.parse(good)
  }

  @Test("keys that cannot be used are skipped with their reason")
  func skipped() throws {
    let other = try jwk(kid: "x")
    let bad: [JSONValue] = [
      try jwk(kid: "1", adding: [JSONMember("use", "enc")]), try jwk(kid: "2", adding: [JSONMember("use", .integer(1))]),
      try jwk(kid: "3", adding: [JSONMember("key_ops", .array(["sign"]))]),
      try jwk(kid: "4", adding: [JSONMember("key_ops", "verify")]),
      try jwk(kid: "5", adding: [JSONMember("alg", "ES384")]), try jwk(kid: "6", adding: [JSONMember("alg", "RSA-OAEP")]),
      try jwk(kid: "7", adding: [JSONMember("alg", "HS256")]), try jwk(kid: "8", adding: [JSONMember("crv", "secp256k1")]),
      try jwk(kid: "9", adding: [JSONMember("crv", "P-384")]),
      try jwk(kid: "10", adding: [JSONMember("x", try #require(other.member("x" as String)))]),
      try jwk(kid: "11", adding: [JSONMember("y", "AA")]), try jwk(kid: "12", removing: ["y"]),
      try jwk(kid: "13", adding: [JSONMember("kty", "XX")]),
      try jwk(kid: "14", adding: [JSONMember("kid", .integer(1))]), try jwk(kid: "15", adding: [JSONMember("kid", "")]),
      try jwk(.rsa2048, kid: "16", adding: [JSONMember("e", "Aw")]),
      try jwk(.rsa2048, kid: "17", adding: [JSONMember("e", "AQAA")]),
      try jwk(.rsa2048, kid: "18", adding: [JSONMember("e", "AQ")]),
      try jwk(.rsa2048, kid: "19", adding: [JSONMember("n", .string(Base64URL.encode([UInt8](repeating: 0xff, count: 255))))]),
      try jwk(.rsa2048, kid: "20", adding: [JSONMember("n", .string(Base64URL.encode([UInt8](repeating: 0xff, count: 1025))))]),
      try jwk(.rsa2048, kid: "21", adding: [JSONMember("n", .string(Base64URL.encode([UInt8](repeating: 0xfe, count: 256))))]),
      try jwk(.edDSA, kid: "22", adding: [JSONMember("x", "AA")]),
      try jwk(.edDSA, kid: "23", adding: [JSONMember("crv", "Ed448")]),
      try jwk(.edDSA, kid: "24", adding: [JSONMember("crv", "X25519")]),
    ]
    let good = try jwk(kid: "good")
    let document = JSONWriter.bytes(.object([JSONMember("keys", .array(bad + [good]))]))
    let parsed = try KeySet.parse(document)
    #expect(parsed.keys.map { $0.kid } == [Array("good".utf8)])
    #expect(parsed.skipped.count == bad.count)
    for key in bad { #expect(throws: KeySetError.self, "\(JSONWriter.bytes(key))") { try VerificationKey.parse(key) } }
    #expect(error(#"{"keys":[{"kty":"EC"}]}"#) == "the key set has no usable key; key 1 has a crv that is not supported")
  }

  @Test("the bounds are 1 MiB and 100 keys")
  func bounds() throws {
    let key = try jwk(kid: nil, removing: ["kid"])
    #expect(
      try KeySet.parse(JSONWriter.bytes(.object([JSONMember("keys", .array(Array(repeating: key, count: 100)))]))).keys.count
        == 100)
    let many = JSONWriter.bytes(.object([JSONMember("keys", .array(Array(repeating: key, count: 101)))]))
    #expect(throws: KeySetError.self) { try KeySet.parse(many) }
    let padded = set(key) + [UInt8](repeating: 0x20, count: 1 << 20)
    #expect(throws: KeySetError.self) { try KeySet.parse(padded) }
  }

  @Test("the thumbprint is that of RFC 7638 section 3.1 and does not depend on spelling")
  func thumbprint() throws {
    let n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
      + "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
      + "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
      + "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    let jwk = JSONValue.object([
      JSONMember("n", JSONValue(text: n)), JSONMember("alg", "RS256"), JSONMember("e", "AQAB"), JSONMember("kty", "RSA"),
      JSONMember("kid", "2011-04-29"),
    ])
    #expect(
      Base64URL.encode(try VerificationKey.parse(jwk).thumbprint) == Array("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".utf8))
  }

  @Test("an HMAC secret is as long as its digest at least", arguments: [JOSEAlgorithm.hs256, .hs384, .hs512])
  func secretLength(algorithm: JOSEAlgorithm) throws {
    let short = [UInt8](repeating: 1, count: algorithm.digestCount - 1)
    #expect(throws: KeySetError.self) { try KeySet(secret: short, algorithms: [algorithm]) }
    #expect(try KeySet(secret: short + [1], algorithms: [algorithm, .es256]).keys.count == 1)
  }
}

@Suite("Base64url has one spelling for each byte string")
struct Base64URLTests {
  @Test("round trips")
  func roundTrip() {
    for count in 0..<70 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 97 &+ count) }
      let text = Base64URL.encode(bytes)
      #expect(text.count == Base64URL.encodedCount(count) && Base64URL.decodedCount(text.count) == count)
      #expect(Base64URL.decode(text) == bytes)
    }
    #expect(Base64URL.encode([0xfb, 0xff, 0xbf]) == Array("-_-_".utf8))
  }

  @Test(
    "other spellings are refused",
    arguments: ["A", "AA==", "AA=", "AB", "AAB", "A A", "AA\n", "+/AA", "AAAAA", "AA.A", "\u{e9}A", "AA\0A"])
  func refused(text: String) { #expect(Base64URL.decode(Array(text.utf8)) == nil) }
}
