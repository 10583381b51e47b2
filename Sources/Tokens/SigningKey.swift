import COpenSSL
import JSON

/// A private key of the gateway's, for internal tokens: ES256 with P-256, or EdDSA with Ed25519.
package final class SigningKey: Sendable {
  package let kid: String
  package let algorithm: JOSEAlgorithm
  /// The public half, as published.
  package let publicJWK: JSONValue
  private let privateKey: SharedKey

  /// Bytes of a signature, for both algorithms.
  package static let signatureCount = 64

  /// Immutable once made; OpenSSL 3 lets threads share it.
  private struct SharedKey: @unchecked Sendable { let pointer: OpaquePointer }

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
    EVP_PKEY_up_ref(key.pointer)
    privateKey = SharedKey(pointer: key.pointer)
  }

  deinit { EVP_PKEY_free(privateKey.pointer) }

  /// SHA-256 thumbprint of the public half (RFC 7638).
  package var thumbprint: [UInt8] { (try? VerificationKey.parse(publicJWK).thumbprint) ?? [] }

  /// Signs `message` into `signature`, which takes 64 bytes: r and s for ES256. False when OpenSSL fails.
  package func sign(_ message: UnsafeBufferPointer<UInt8>, into signature: UnsafeMutableBufferPointer<UInt8>) -> Bool {
    precondition(signature.count >= Self.signatureCount)
    ERR_clear_error()
    guard let context = EVP_MD_CTX_new() else { return false }
    defer { EVP_MD_CTX_free(context) }
    guard EVP_DigestSignInit(context, nil, Digest.function(algorithm), nil, privateKey.pointer) == 1 else { return false }
    if algorithm == .edDSA {
      var count = Self.signatureCount
      return EVP_DigestSign(context, signature.baseAddress, &count, message.baseAddress, message.count) == 1
        && count == Self.signatureCount
    }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: ECDSASignature.maximumDERCount) { der in
      var count = der.count
      guard EVP_DigestSign(context, der.baseAddress, &count, message.baseAddress, message.count) == 1 else { return false }
      return ECDSASignature.decodeDER(
        UnsafeBufferPointer(rebasing: der[..<count]),
        into: UnsafeMutableBufferPointer(rebasing: signature[..<Self.signatureCount]))
    }
  }
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
