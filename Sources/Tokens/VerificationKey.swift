import Cryptography
import JSON

/// One public key of an identity provider, parsed and checked once.
///
/// The algorithms that it may be used with are settled here, from the key: a token's header never adds one (RFC 8725
/// section 3.1).
package final class VerificationKey: Sendable {
  package let kid: [UInt8]?
  /// One algorithm, or all of RS* and PS* for an RSA key whose JWK names none; the provider's own list narrows that.
  package let algorithms: AlgorithmSet
  /// SHA-256 over the key's required members (RFC 7638): the key's identity, whatever its `kid`.
  package let thumbprint: [UInt8]
  /// Bytes of a signature: r and s together for ECDSA, the modulus for RSA, 64 for Ed25519, 0 for HMAC.
  package let signatureCount: Int
  let material: Material

  enum Material: Sendable {
    case publicKey(AsymmetricKey)
    case secret([UInt8])
  }

  init(kid: [UInt8]?, algorithms: AlgorithmSet, thumbprint: [UInt8], signatureCount: Int, material: Material) {
    self.kid = kid
    self.algorithms = algorithms
    self.thumbprint = thumbprint
    self.signatureCount = signatureCount
    self.material = material
  }

  /// A shared secret for HS*, of at least the digest's length (RFC 7518 section 3.2).
  package convenience init(secret: [UInt8], algorithm: JOSEAlgorithm, kid: [UInt8]? = nil) throws(KeySetError) {
    guard algorithm.family == .hmac else { throw KeySetError("a secret serves only HS256, HS384 and HS512") }
    guard secret.count >= algorithm.digestCount else {
      throw KeySetError("a secret for \(algorithm.name) needs at least \(algorithm.digestCount) bytes")
    }
    var canonical = Array(#"{"k":""#.utf8)
    Base64URL.append(secret, to: &canonical)
    canonical += Array(#"","kty":"oct"}"#.utf8)
    self.init(
      kid: kid, algorithms: AlgorithmSet(algorithm), thumbprint: Digest.sha256(canonical), signatureCount: 0,
      material: .secret(secret))
  }

  /// Whether this is `other`, under the same name and for the same algorithms.
  package func isSame(as other: VerificationKey) -> Bool {
    thumbprint == other.thumbprint && kid == other.kid && algorithms == other.algorithms
  }
}

/// Why a key, or a whole set, cannot be used.
package struct KeySetError: Error, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
