import Cryptography

/// Verifies the signatures of JWS, on one worker. Holds what can be used again from one signature to the next.
package final class SignatureVerifier {
  private let verifier = Verifier()

  package init() {}

  /// Drops what is held for keys: after a reload, or old keys would stay in memory.
  package func forgetKeys() { verifier.forgetKeys() }

  /// Whether `signature` is `key`'s over `message`. `algorithm` must be one of the key's; false otherwise.
  package func isValid(
    _ signature: Span<UInt8>, over message: Span<UInt8>, by key: VerificationKey, algorithm: JOSEAlgorithm
  ) -> Bool {
    guard key.algorithms.contains(algorithm) else { return false }
    switch key.material {
    case .secret(let secret):
      guard algorithm.family == .hmac, let hash = algorithm.hash, signature.count == hash.count,
        let code = MessageAuthentication.code(hash, key: secret, message)
      else { return false }
      return ConstantTime.equal(code.span, signature)
    case .publicKey(let publicKey):
      guard signature.count == key.signatureCount, let scheme = algorithm.scheme else { return false }
      return verifier.isValid(signature, over: message, by: publicKey, scheme)
    }
  }
}
