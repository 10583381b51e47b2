import Crypto

/// The algorithms that internal tokens are verified with here (RFC 7518 section 3.1, RFC 8037 section 3.1).
///
/// None of them takes a secret, and there is no `none`.
public enum SignatureAlgorithm: String, Sendable, CaseIterable {
  case es256 = "ES256"
  case es384 = "ES384"
  case es512 = "ES512"
  /// With Ed25519.
  case edDSA = "EdDSA"
}

/// A public key, for the one algorithm that its curve has.
struct VerificationKey: Sendable {
  let kid: String?
  let algorithm: SignatureAlgorithm
  private let material: Material

  private enum Material: Sendable {
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case p521(P521.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)
  }

  /// - Throws: what is wrong with the JWK (RFC 7517 section 4): points off their curve, keys that are not for signatures and keys
  ///   whose `alg` does not fit are refused.
  init(jwk: JSONValue) throws(KeySetError) {
    guard let kty = jwk["kty"]?.string else { throw KeySetError("has no kty") }
    kid = try Self.kid(jwk)
    if let use = jwk["use"], use.string != "sig" { throw KeySetError("is not for signatures (use)") }
    if let operations = jwk["key_ops"], operations.strings?.contains("verify") != true {
      throw KeySetError("is not for verifying (key_ops)")
    }
    let curve = jwk["crv"]?.string ?? ""
    do {
      switch (kty, curve) {
      case ("EC", "P-256"):
        (algorithm, material) = (.es256, .p256(try P256.Signing.PublicKey(x963Representation: Self.point(jwk, 32))))
      case ("EC", "P-384"):
        (algorithm, material) = (.es384, .p384(try P384.Signing.PublicKey(x963Representation: Self.point(jwk, 48))))
      case ("EC", "P-521"):
        (algorithm, material) = (.es512, .p521(try P521.Signing.PublicKey(x963Representation: Self.point(jwk, 66))))
      case ("OKP", "Ed25519"):
        let key = try Curve25519.Signing.PublicKey(rawRepresentation: Self.coordinate(jwk, "x", 32))
        (algorithm, material) = (.edDSA, .ed25519(key))
      default: throw KeySetError("has kty \"\(kty)\" and crv \"\(curve)\", which are not supported")
      }
    } catch let error as KeySetError {
      throw error
    } catch {
      throw KeySetError("is no valid \(curve) public key")
    }
    if let name = jwk["alg"], name != .string(algorithm.rawValue) { throw KeySetError("has an alg that does not fit its curve") }
  }

  private static func kid(_ jwk: JSONValue) throws(KeySetError) -> String? {
    guard let value = jwk["kid"] else { return nil }
    guard let kid = value.string, !kid.isEmpty else { throw KeySetError("has a kid that is no text") }
    return kid
  }

  /// RFC 7518 section 6.2.1: coordinates have the full width of the curve, leading zeros kept.
  private static func coordinate(_ jwk: JSONValue, _ name: String, _ width: Int) throws(KeySetError) -> [UInt8] {
    guard let bytes = (jwk[name]?.string).flatMap({ Base64URL.decode($0.utf8) }), bytes.count == width else {
      throw KeySetError("has no \(name) of \(width) bytes in base64url")
    }
    return bytes
  }

  private static func point(_ jwk: JSONValue, _ width: Int) throws(KeySetError) -> [UInt8] {
    [4] + (try coordinate(jwk, "x", width)) + (try coordinate(jwk, "y", width))
  }

  /// Whether `signature`, r and s side by side for ES* (RFC 7518 section 3.4), is this key's over `message`.
  func isValid(_ signature: [UInt8], over message: ArraySlice<UInt8>) -> Bool {
    switch material {
    case .p256(let key):
      (try? P256.Signing.ECDSASignature(rawRepresentation: signature)).map { key.isValidSignature($0, for: message) } ?? false
    case .p384(let key):
      (try? P384.Signing.ECDSASignature(rawRepresentation: signature)).map { key.isValidSignature($0, for: message) } ?? false
    case .p521(let key):
      (try? P521.Signing.ECDSASignature(rawRepresentation: signature)).map { key.isValidSignature($0, for: message) } ?? false
    case .ed25519(let key):
      key.isValidSignature(signature, for: message)
    }
  }
}
