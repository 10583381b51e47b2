import Testing

@testable import GatehouseBackend

@Suite("A key set holds public signature keys and nothing else")
struct KeySetTests {
  static let gateway = TestGateway()

  private func read(_ keys: String...) throws -> KeySet {
    try KeySet(jwks: Array("{\"keys\":[\(keys.map { "{\($0)}" }.joined(separator: ","))]}".utf8))
  }

  @Test("keys that cannot be used are left out, and said")
  func skipped() throws {
    let jwk = Self.gateway.jwk
    let set = try read(
      jwk, #""kty":"RSA","kid":"r","n":"AQAB","e":"AQAB""#, #""kid":"k""#, #""kty":"OKP","crv":"X25519","kid":"x","x":"AA""#,
      TestGateway(kid: "enc").jwk + #","use":"enc""#, TestGateway(kid: "ops").jwk + #","key_ops":["sign"]"#,
      TestGateway(kid: "alg").jwk + #","alg":"ES384""#, TestGateway(.edDSA, kid: "ed").jwk + #","alg":"ES256""#)
    #expect(set.kids == [Self.gateway.kid])
    #expect(set.skipped.count == 7)
    #expect(set.skipped.allSatisfy { $0.hasPrefix("key ") })
  }

  @Test("points off their curve, and coordinates of another width")
  func points() throws {
    let good = Self.gateway.jwk
    let x = try #require(good.split(separator: "\"").dropFirst(10).first)
    #expect(Base64URL.decode(x.utf8)?.count == 32)
    for other in [
      base64url([UInt8](repeating: 1, count: 32)), base64url([UInt8](repeating: 0, count: 32)), base64url([1]), "", "=", x + "A",
    ] {
      #expect(throws: KeySetError.self) { try read(good.replacingOccurrences(of: x, with: other)) }
    }
    #expect(throws: KeySetError.self) { try read(good.replacingOccurrences(of: "P-256", with: "P-384")) }
    #expect(throws: KeySetError.self) { try read(good.replacingOccurrences(of: "P-256", with: "secp256k1")) }
  }

  @Test("secrets, double names and what is no set")
  func refused() throws {
    let jwk = Self.gateway.jwk
    for member in ["d", "k", "p", "q", "dp", "dq", "qi", "oth"] {
      #expect(throws: KeySetError.self) { try read(jwk, TestGateway(kid: "b").jwk + ",\"\(member)\":\"AQAB\"") }
    }
    #expect(throws: KeySetError.self) { try read(jwk, TestGateway().jwk) }
    #expect(throws: KeySetError.self) { try read(jwk, #""kid":"2026-11""#) }
    for text in [
      "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[7]}", "{\"keys\":[],\"keys\":[]}", "\u{feff}{\"keys\":[]}",
    ] {
      #expect(throws: KeySetError.self) { try KeySet(jwks: Array(text.utf8)) }
    }
    #expect(throws: KeySetError.self) { try KeySet(jwks: [UInt8](repeating: 0x20, count: KeySet.maximumBytes + 1)) }
    let many = (0...KeySet.maximumKeys).map { "{\(TestGateway(.edDSA, kid: "\($0)").jwk)}" }.joined(separator: ",")
    #expect(throws: KeySetError.self) { try KeySet(jwks: Array("{\"keys\":[\(many)]}".utf8)) }
  }

  @Test("a key is chosen by its name; without one only where there is no choice")
  func selection() throws {
    let set = try read(Self.gateway.jwk, TestGateway(kid: "second").jwk, TestGateway(.edDSA, kid: "third").jwk)
    #expect(try set.select(kid: "second", algorithm: .es256).kid == "second")
    #expect(try set.select(kid: nil, algorithm: .edDSA).kid == "third")
    #expect(throws: InternalTokenError.unknownKey) { try set.select(kid: nil, algorithm: .es256) }
    #expect(throws: InternalTokenError.unknownKey) { try set.select(kid: "fourth", algorithm: .es256) }
    #expect(throws: InternalTokenError.algorithm) { try set.select(kid: "third", algorithm: .es256) }
  }
}
