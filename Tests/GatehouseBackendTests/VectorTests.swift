import Foundation
import Testing

@testable import GatehouseBackend

/// Vectors that stand beside the repository. Tests that need them are skipped, and say so, when they are absent.
enum Vectors {
  static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("shared/vectors")

  static let present: Bool = {
    let found = FileManager.default.fileExists(atPath: folder.path)
    if !found { print("skipped: vectors are absent; they belong in ../shared/vectors beside the repository") }
    return found
  }()

  static func load(_ name: String) throws -> JSONValue {
    try JSONReader.read(Array(try Data(contentsOf: folder.appendingPathComponent(name))), depth: 16)
  }

  static func hexadecimal(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue).map(UInt8.init)
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  /// The key of a JWK, whatever private members stand in it.
  static func key(_ jwk: JSONValue) -> VerificationKey? { try? VerificationKey(jwk: jwk) }

  /// What the verifier does up to the signature.
  static func isValid(_ token: String, _ keys: [VerificationKey]) -> Bool {
    guard let parts = try? CompactToken(Array(token.utf8)), let algorithm = SignatureAlgorithm(rawValue: parts.algorithm) else {
      return false
    }
    let named = keys.filter { parts.kid == nil || $0.kid == parts.kid }.filter { $0.algorithm == algorithm }
    guard named.count == 1 else { return false }
    return named[0].isValid(parts.signature, over: parts.signed)
  }
}

@Suite("Published vectors get the answers of a strict verifier", .enabled(if: Vectors.present))
struct VectorTests {
  /// Of what is valid, that which is signed with one of our algorithms; of what is invalid, everything.
  @Test(
    "Wycheproof: JOSE",
    arguments: ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"])
  func jose(file: String) throws {
    var expected: [Int64: Bool] = [:]
    for entry in try Vectors.load("wycheproof/strict_profile_expected.json").array ?? [] where entry["file"]?.string == file {
      if let id = entry["tcId"]?.integer { expected[id] = entry["strict_asym_only"]?.string == "valid" }
    }
    var compared = 0
    for group in try Vectors.load("wycheproof/\(file)")["testGroups"]?.array ?? [] {
      let published: JSONValue? = group["public"] ?? group["private"]
      let jwk = try #require(published)
      let keys = (jwk["keys"]?.array ?? [jwk]).compactMap(Vectors.key)
      for test in group["tests"]?.array ?? [] {
        guard let id = test["tcId"]?.integer, let isValid = expected[id] else { continue }
        let token = test["jws"]?.string ?? ""
        let parts = try? CompactToken(Array(token.utf8))
        let isOurs = parts.flatMap { SignatureAlgorithm(rawValue: $0.algorithm) } != nil
        #expect(Vectors.isValid(token, keys) == (isValid && isOurs), "\(file) \(id)")
        compared += 1
      }
    }
    #expect(compared == expected.count && compared > 0)
  }

  @Test(
    "Wycheproof: raw signatures",
    arguments: [("ecdsa_secp256r1_sha256_p1363_test.json", 200), ("ed25519_test.json", 140)])
  func raw(file: String, atLeast: Int) throws {
    var compared = 0
    for group in try Vectors.load("wycheproof/\(file)")["testGroups"]?.array ?? [] {
      // Some keys of this file have no JWK.
      let jwk = group["publicKeyJwk"] ?? Self.jwk(group["publicKey"]?["uncompressed"]?.string ?? "")
      let key = try VerificationKey(jwk: try #require(jwk))
      for test in group["tests"]?.array ?? [] {
        guard let result = test["result"]?.string, result != "acceptable" else { continue }
        let message = Vectors.hexadecimal(test["msg"]?.string ?? "")
        let signature = Vectors.hexadecimal(test["sig"]?.string ?? "")
        #expect(key.isValid(signature, over: message[...]) == (result == "valid"), "\(file) \(test["tcId"] ?? .null)")
        compared += 1
      }
    }
    #expect(compared >= atLeast)
  }

  private static func jwk(_ point: String) -> JSONValue? {
    let bytes = Vectors.hexadecimal(point)
    guard bytes.count == 65 else { return nil }
    return .object([
      .init(name: "kty", value: .string("EC")), .init(name: "crv", value: .string("P-256")),
      .init(name: "x", value: .string(base64url(bytes[1..<33]))), .init(name: "y", value: .string(base64url(bytes[33...]))),
    ])
  }

  @Test("RFC 7515 appendix A.3 and A.4")
  func rfc7515() throws {
    var compared = 0
    for example in try Vectors.load("rfc/rfc7515_appendix_a.json").array ?? [] {
      guard let token = example["jws"]?.string, let name = example["alg"]?.string else { continue }
      let isOurs = SignatureAlgorithm(rawValue: name) != nil
      let keys = [example["key"].flatMap(Vectors.key)].compactMap(\.self)
      #expect(Vectors.isValid(token, keys) == (isOurs && example["crypto_valid"] == .boolean(true)), "\(name)")
      if isOurs { compared += 1 }
    }
    #expect(compared == 2)
  }

  @Test("RFC 7520 section 4.3 and RFC 8037 appendix A.4", arguments: ["jws_4_3.ecdsa_signature.json", "curve25519_jws.json"])
  func cookbook(file: String) throws {
    let example = try Vectors.load("cookbook/\(file)")
    // These keys carry their private half, or the algorithm of another example: what is under test is the signature.
    let members = (example["input"]?["key"]?.object ?? []).filter { $0.name != "alg" }
    let key = try #require(Vectors.key(.object(members)))
    let token = try #require(example["output"]?["compact"]?.string)
    #expect(Vectors.isValid(token, [key]))
    var changed = Array(token)
    changed[token.count - 8] = changed[token.count - 8] == "A" ? "B" : "A"
    #expect(!Vectors.isValid(String(changed), [key]))
  }
}
