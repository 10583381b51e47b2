import JSON
import Testing

@testable import Tokens

/// What a strict verifier answers to Wycheproof's JOSE cases, case by case.
@Suite("Wycheproof's cases get the answers of a strict verifier", .enabled(if: Vectors.present))
struct WycheproofTests {
  @Test("JOSE", arguments: ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"])
  func jose(file: String) throws {
    let verifier = SignatureVerifier()
    var expectations: [Int64: JSONValue] = [:]
    for expectation in try Vectors.load("wycheproof/strict_profile_expected.json").elements ?? []
    where expectation.member("file" as String)?.text == file {
      if case .integer(let id)? = expectation.member("tcId" as String) { expectations[id] = expectation }
    }
    var compared = 0
    for group in try Vectors.load("wycheproof/\(file)").member("testGroups" as String)?.elements ?? [] {
      let jwk = try #require(group.member("public" as String) ?? group.member("private" as String))
      let withHMAC = try? KeySet.parse(jwk.asKeySet, allowsSymmetric: true)
      // A real provider: no symmetric key comes out of a key set, and no HS* algorithm is allowed.
      let strict = try? KeySet.parse(jwk.asKeySet)
      for test in group.member("tests" as String)?.elements ?? [] {
        guard case .integer(let id)? = test.member("tcId" as String), let expectation = expectations[id] else { continue }
        let token = test.member("jws" as String)?.bytes ?? []
        #expect(
          isValid(token, withHMAC, .asymmetric.union(.hmac), verifier)
            == (expectation.member("strict_with_hmac" as String)?.text == "valid"), "\(file) \(id) with HMAC")
        #expect(
          isValid(token, strict, .asymmetric, verifier) == (expectation.member("strict_asym_only" as String)?.text == "valid"),
          "\(file) \(id) asymmetric only")
        compared += 1
      }
    }
    #expect(compared == expectations.count && compared > 0)
  }

  private func isValid(_ token: [UInt8], _ keys: KeySet?, _ allowed: AlgorithmSet, _ verifier: SignatureVerifier) -> Bool {
    guard let keys else { return false }
    guard let jws = try? CompactJWS(token.span), let algorithm = jws.algorithm, allowed.contains(algorithm),
      let candidates = try? keys.candidates(kid: jws.kid, algorithm: algorithm)
    else { return false }
    let signature = jws.signature
    for key in candidates
    where verifier.isValid(signature.span, over: token.span.extracting(..<jws.signedCount), by: key, algorithm: algorithm) {
      return true
    }
    return false
  }

  @Test(
    "raw signatures",
    arguments: [
      ("ecdsa_secp256r1_sha256_p1363_test.json", JOSEAlgorithm.es256), ("ed25519_test.json", .edDSA),
    ])
  func raw(file: String, algorithm: JOSEAlgorithm) throws {
    let verifier = SignatureVerifier()
    var compared = 0
    for group in try Vectors.load("wycheproof/\(file)").member("testGroups" as String)?.elements ?? [] {
      // Nine groups have no JWK because their keys have coordinates with leading zeros, which a JWK must write.
      let jwk = group.member("publicKeyJwk" as String) ?? Self.jwk(group)
      let key = try VerificationKey.parse(try #require(jwk))
      for test in group.member("tests" as String)?.elements ?? [] {
        let message = Vectors.hexadecimal(test.member("msg" as String)?.text ?? "")
        let signature = Vectors.hexadecimal(test.member("sig" as String)?.text ?? "")
        let valid = verifier.isValid(signature.span, over: message.span, by: key, algorithm: algorithm)
        let expected = test.member("result" as String)?.text ?? ""
        if expected != "acceptable" {
          #expect(valid == (expected == "valid"), "\(file) \(String(describing: test.member("tcId" as String)))")
        }
        compared += 1
      }
    }
    #expect(compared > 100)
  }

  private static func jwk(_ group: JSONValue) -> JSONValue? {
    guard let point = group.value(at: "publicKey.uncompressed" as String)?.text.map(Vectors.hexadecimal), point.count == 65 else {
      return nil
    }
    return .object([
      JSONMember("kty", "EC"), JSONMember("crv", "P-256"), JSONMember("x", .string(Base64URL.encode(Array(point[1..<33])))),
      JSONMember("y", .string(Base64URL.encode(Array(point[33...])))),
    ])
  }
}

@Suite("The examples of the RFCs verify", .enabled(if: Vectors.present))
struct RFCExampleTests {
  @Test("RFC 7515 appendix A")
  func rfc7515() throws {
    var compared = 0
    for example in try Vectors.load("rfc/rfc7515_appendix_a.json").elements ?? [] {
      guard let name = example.member("alg" as String)?.bytes, let algorithm = JOSEAlgorithm(name: name),
        let jwk = example.member("key" as String), let token = example.member("jws" as String)?.bytes
      else {
        #expect(example.member("alg" as String)?.text == "none")
        continue
      }
      #expect(
        verifies(token, try keys(jwk, algorithm), algorithm) == (example.member("crypto_valid" as String) == .boolean(true)))
      compared += 1
    }
    #expect(compared == 4)
  }

  @Test(
    "RFC 7520 and RFC 8037",
    arguments: [
      "jws_4_1.rsa_v15_signature.json", "jws_4_2.rsa-pss_signature.json", "jws_4_3.ecdsa_signature.json",
      "jws_4_4.hmac-sha2_integrity_protection.json", "curve25519_jws.json",
    ])
  func cookbook(file: String) throws {
    let example = try Vectors.load("cookbook/\(file)")
    let algorithm = try #require(JOSEAlgorithm(name: example.value(at: "input.alg" as String)?.bytes ?? []))
    let token = try #require(example.value(at: "output.compact" as String)?.bytes)
    let set = try keys(try #require(example.value(at: "input.key" as String)), algorithm)
    #expect(verifies(token, set, algorithm))
    var changed = token
    changed[token.count - 8] = changed[token.count - 8] == 0x41 ? 0x42 : 0x41
    #expect(!verifies(changed, set, algorithm))
  }

  @Test("RFC 7797: a payload that is not encoded is refused")
  func unencodedPayload() throws {
    let example = try Vectors.load("cookbook/rfc7797_hmac-sha2_b64_false.json")
    let token = try #require(
      example.value(at: "output.compact" as String)?.bytes ?? example.value(at: "output.compact-detached" as String)?.bytes
        ?? Array("eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.x.AAAA".utf8))
    #expect(throws: TokenDenial.malformed) { _ = try CompactJWS(token.span) }
  }

  /// Some examples name the key's algorithm by its use in another example; the key is what is under test here.
  private func keys(_ jwk: JSONValue, _ algorithm: JOSEAlgorithm) throws -> KeySet {
    let members = (jwk.members ?? []).filter { $0.name != Array("alg".utf8) }
    let named = JSONValue.object(members + [JSONMember("alg", JSONValue(text: "\(algorithm.name)"))])
    return try KeySet.parse(named.asKeySet, allowsSymmetric: true)
  }

  private func verifies(_ token: [UInt8], _ keys: KeySet, _ algorithm: JOSEAlgorithm) -> Bool {
    guard let jws = try? CompactJWS(token.span), jws.algorithm == algorithm else { return false }
    let signature = jws.signature
    return SignatureVerifier().isValid(
      signature.span, over: token.span.extracting(..<jws.signedCount), by: keys.keys[0], algorithm: algorithm)
  }
}
