import Cryptography
import JSON

/// Reading one JWK (RFC 7517, 7518 section 6, 8037).
extension VerificationKey {
  /// - Throws: what is wrong with the key. Weak RSA keys, points off their curve, keys for encryption and keys whose `alg` does
  ///   not fit are refused.
  package static func parse(_ jwk: JSONValue, allowsSymmetric: Bool = false) throws(KeySetError) -> VerificationKey {
    guard jwk.members != nil else { throw KeySetError("is no JSON object") }
    guard let kty = jwk.member("kty")?.text else { throw KeySetError("has no kty") }
    let kid = try checkedKid(jwk)
    try checkUse(jwk)
    switch kty {
    case "EC": return try ellipticCurve(jwk, kid)
    case "RSA": return try rsa(jwk, kid)
    case "OKP": return try ed25519(jwk, kid)
    case "oct" where allowsSymmetric:
      guard let algorithm = try declaredAlgorithm(jwk), algorithm.family == .hmac else { throw KeySetError("has no alg of HS*") }
      return try VerificationKey(secret: try bytes(jwk, "k"), algorithm: algorithm, kid: kid)
    default: throw KeySetError("has kty \"\(kty)\", which is not supported")
    }
  }

  private static func checkedKid(_ jwk: JSONValue) throws(KeySetError) -> [UInt8]? {
    guard let kid = jwk.member("kid") else { return nil }
    guard case .string(let bytes) = kid, !bytes.isEmpty else { throw KeySetError("has a kid that is no text") }
    return bytes
  }

  private static func checkUse(_ jwk: JSONValue) throws(KeySetError) {
    if let use = jwk.member("use") {
      guard use.text == "sig" else { throw KeySetError("is not for signatures (use)") }
    }
    if let operations = jwk.member("key_ops") {
      guard let elements = operations.elements, elements.contains("verify") else {
        throw KeySetError("is not for verifying (key_ops)")
      }
    }
  }

  private static func declaredAlgorithm(_ jwk: JSONValue) throws(KeySetError) -> JOSEAlgorithm? {
    guard let name = jwk.member("alg") else { return nil }
    guard case .string(let bytes) = name, let algorithm = JOSEAlgorithm(name: bytes) else {
      throw KeySetError("has an alg that is not supported")
    }
    return algorithm
  }

  /// `bound` when the JWK names no algorithm, else the one it names, which must be one of `bound`.
  private static func algorithms(_ jwk: JSONValue, bound: AlgorithmSet) throws(KeySetError) -> AlgorithmSet {
    guard let algorithm = try declaredAlgorithm(jwk) else { return bound }
    guard bound.contains(algorithm) else { throw KeySetError("has alg \(algorithm.name), which does not fit the key") }
    return AlgorithmSet(algorithm)
  }

  private static func bytes(_ jwk: JSONValue, _ name: StaticString) throws(KeySetError) -> [UInt8] {
    guard case .string(let text)? = jwk.member(name), let bytes = Base64URL.decode(text), !bytes.isEmpty else {
      throw KeySetError("has no \(name) in base64url")
    }
    return bytes
  }

  // MARK: Kinds of key

  private static func ellipticCurve(_ jwk: JSONValue, _ kid: [UInt8]?) throws(KeySetError) -> VerificationKey {
    let kind: AsymmetricKey.Kind
    let width: Int
    let algorithm: JOSEAlgorithm
    let curve = jwk.member("crv")?.text ?? ""
    switch curve {
    case "P-256": (kind, width, algorithm) = (.p256, 32, .es256)
    case "P-384": (kind, width, algorithm) = (.p384, 48, .es384)
    case "P-521": (kind, width, algorithm) = (.p521, 66, .es512)
    default: throw KeySetError("has a crv that is not supported")
    }
    let algorithms = try algorithms(jwk, bound: AlgorithmSet(algorithm))
    let x = try bytes(jwk, "x")
    let y = try bytes(jwk, "y")
    // RFC 7518 section 6.2.1.2: the full width of the curve, leading zeros kept.
    guard x.count == width, y.count == width else { throw KeySetError("has coordinates of the wrong length") }
    guard let key = AsymmetricKey(kind, x: x, y: y) else { throw KeySetError("is no valid EC public key: \(OpenSSLError.take())") }
    return VerificationKey(
      kid: kid, algorithms: algorithms,
      thumbprint: thumbprint(#"{"crv":"\#(curve)","kty":"EC","x":""#, x, #"","y":""#, y),
      signatureCount: 2 * width, material: .publicKey(key))
  }

  private static func rsa(_ jwk: JSONValue, _ kid: [UInt8]?) throws(KeySetError) -> VerificationKey {
    let algorithms = try algorithms(jwk, bound: .rsa)
    // Leading zeros, which RFC 7518 section 6.3.1 forbids and some issuers write, change nothing about the number.
    let modulus = Array(try bytes(jwk, "n").drop { $0 == 0 })
    let exponent = Array(try bytes(jwk, "e").drop { $0 == 0 })
    let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
    guard bits >= 2048 else { throw KeySetError("is an RSA key of \(bits) bits, fewer than 2048") }
    guard bits <= 8192 else { throw KeySetError("is an RSA key of \(bits) bits, more than 8192") }
    guard let last = exponent.last, last & 1 == 1, exponent.count <= 8,
      exponent.reduce(0 as UInt64, { $0 << 8 | UInt64($1) }) >= 65537
    else { throw KeySetError("has an RSA exponent that is even, below 65537 or above 64 bits") }
    guard let key = AsymmetricKey(modulus: modulus, exponent: exponent) else {
      throw KeySetError("is no valid RSA public key: \(OpenSSLError.take())")
    }
    return VerificationKey(
      kid: kid, algorithms: algorithms, thumbprint: thumbprint(#"{"e":""#, exponent, #"","kty":"RSA","n":""#, modulus),
      signatureCount: modulus.count, material: .publicKey(key))
  }

  private static func ed25519(_ jwk: JSONValue, _ kid: [UInt8]?) throws(KeySetError) -> VerificationKey {
    guard jwk.member("crv")?.text == "Ed25519" else { throw KeySetError("has a crv that is not supported") }
    let algorithms = try algorithms(jwk, bound: AlgorithmSet(.edDSA))
    let x = try bytes(jwk, "x")
    guard let key = AsymmetricKey(ed25519: x) else { throw KeySetError("has an x that is no Ed25519 key") }
    return VerificationKey(
      kid: kid, algorithms: algorithms, thumbprint: thumbprint(#"{"crv":"Ed25519","kty":"OKP","x":""#, x),
      signatureCount: 64, material: .publicKey(key))
  }

  // MARK: Building

  /// RFC 7638 section 3: the required members in lexicographic order, without white space.
  private static func thumbprint(_ front: String, _ first: [UInt8], _ middle: String = "", _ second: [UInt8] = []) -> [UInt8] {
    var canonical = Array(front.utf8)
    Base64URL.append(first, to: &canonical)
    canonical += Array(middle.utf8)
    Base64URL.append(second, to: &canonical)
    canonical += Array("\"}".utf8)
    return Digest.sha256(canonical)
  }
}
