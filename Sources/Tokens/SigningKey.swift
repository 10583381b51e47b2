import Cryptography
import JSON

/// A private key of the gateway's, for internal tokens: ES256 with P-256, or EdDSA with Ed25519.
package final class SigningKey: Sendable {
  package let kid: String
  package let algorithm: JOSEAlgorithm
  /// The public half, as published.
  package let publicJWK: JSONValue
  let privateKey: AsymmetricKey

  /// Bytes of a signature, for both algorithms.
  package static let signatureCount = Signer.signatureCount

  /// - Parameter pem: an unencrypted private key in PEM (PKCS #8 or SEC 1).
  /// - Throws: when it is no private key, or not of the algorithm's kind.
  package init(kid: String, algorithm: JOSEAlgorithm, pem: [UInt8]) throws(KeySetError) {
    guard !kid.isEmpty else { throw KeySetError("a signing key needs a kid") }
    guard algorithm == .es256 || algorithm == .edDSA else {
      throw KeySetError("internal tokens are signed with ES256 or EdDSA, not \(algorithm.name)")
    }
    let key = try PEMKey(privateKey: pem)
    guard key.isFit(for: algorithm) else {
      throw KeySetError(
        "the key of \"\(kid)\" is no \(algorithm == .es256 ? "P-256" : "Ed25519") key, as \(algorithm.name) needs")
    }
    self.kid = kid
    self.algorithm = algorithm
    publicJWK = try key.publicJWK(kid: kid, algorithm: algorithm)
    privateKey = key.key
  }

  /// SHA-256 thumbprint of the public half (RFC 7638).
  package var thumbprint: [UInt8] { (try? VerificationKey.parse(publicJWK).thumbprint) ?? [] }

  /// One signature, as a worker's `TokenSigner` makes many.
  package func sign(_ message: Span<UInt8>) -> InlineArray<64, UInt8>? { TokenSigner().sign(message, with: self) }
}

/// The gateway's keys: no two have the same `kid`. Which of them signs when is said by a `KeySchedule`.
package final class SigningKeySet: Sendable {
  package let keys: [SigningKey]

  /// - Throws: when two have the same `kid`.
  package init(_ keys: [SigningKey]) throws(KeySetError) {
    for (index, key) in keys.enumerated() where keys[..<index].contains(where: { $0.kid == key.kid }) {
      throw KeySetError("two signing keys have the kid \"\(key.kid)\"")
    }
    self.keys = keys
  }
}
