import COpenSSL

/// Verifies signatures with OpenSSL's EVP, on one worker.
///
/// Holds what can be used again from one signature to the next: a digest context and, per key and algorithm, a ready
/// `EVP_PKEY_CTX`, whose making costs a few microseconds in OpenSSL 3.
package final class SignatureVerifier {
  private let digestContext: OpaquePointer
  private var contexts: [Use: OpaquePointer] = [:]
  /// Keeps the keys alive whose addresses `contexts` is keyed by.
  private var keys: [VerificationKey] = []

  private struct Use: Hashable {
    var key: ObjectIdentifier
    var algorithm: JOSEAlgorithm
  }

  package init() {
    guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    digestContext = context
  }

  deinit {
    forgetKeys()
    EVP_MD_CTX_free(digestContext)
  }

  /// Drops what is held for keys: after a reload, or old keys would stay in memory.
  package func forgetKeys() {
    for context in contexts.values { EVP_PKEY_CTX_free(context) }
    contexts = [:]
    keys = []
  }

  /// Whether `signature` is `key`'s over `message`. `algorithm` must be one of the key's; false otherwise.
  package func isValid(
    _ signature: UnsafeBufferPointer<UInt8>, over message: UnsafeBufferPointer<UInt8>, by key: VerificationKey,
    algorithm: JOSEAlgorithm
  ) -> Bool {
    guard key.algorithms.contains(algorithm) else { return false }
    let valid: Bool
    switch key.material {
    case .secret(let secret):
      return hmacMatches(signature, message, secret, algorithm)
    case .publicKey(let publicKey):
      guard signature.count == key.signatureCount else { return false }
      switch algorithm.family {
      case .hmac: return false
      case .edDSA: valid = verifyEdDSA(signature, message, publicKey)
      case .rsaPKCS1, .rsaPSS: valid = verifyDigest(message, key, publicKey, algorithm, signature)
      case .ecdsa:
        valid = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: ECDSASignature.maximumDERCount) { buffer in
          let count = ECDSASignature.encodeDER(signature, into: buffer)
          return verifyDigest(message, key, publicKey, algorithm, UnsafeBufferPointer(rebasing: buffer[..<count]))
        }
      }
    }
    if !valid { ERR_clear_error() }
    return valid
  }

  private func hmacMatches(
    _ signature: UnsafeBufferPointer<UInt8>, _ message: UnsafeBufferPointer<UInt8>, _ secret: [UInt8], _ algorithm: JOSEAlgorithm
  ) -> Bool {
    guard algorithm.family == .hmac, signature.count == algorithm.digestCount else { return false }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { mac in
      var count: UInt32 = 0
      guard
        HMAC(
          Digest.function(algorithm), secret, Int32(clamping: secret.count), message.baseAddress, message.count, mac.baseAddress,
          &count) != nil, Int(count) == signature.count
      else { return false }
      return CRYPTO_memcmp(mac.baseAddress, signature.baseAddress, signature.count) == 0
    }
  }

  private func verifyEdDSA(
    _ signature: UnsafeBufferPointer<UInt8>, _ message: UnsafeBufferPointer<UInt8>, _ key: OpaquePointer
  ) -> Bool {
    EVP_MD_CTX_reset(digestContext)
    // It keeps the key's context, on which a digest of its own could never again be begun.
    defer { EVP_MD_CTX_reset(digestContext) }
    guard EVP_DigestVerifyInit(digestContext, nil, nil, nil, key) == 1 else { return false }
    return EVP_DigestVerify(digestContext, signature.baseAddress, signature.count, message.baseAddress, message.count) == 1
  }

  private func verifyDigest(
    _ message: UnsafeBufferPointer<UInt8>, _ key: VerificationKey, _ publicKey: OpaquePointer, _ algorithm: JOSEAlgorithm,
    _ signature: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    guard let context = context(key, publicKey, algorithm) else { return false }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { digest in
      guard EVP_DigestInit_ex2(digestContext, Digest.function(algorithm), nil) == 1,
        EVP_DigestUpdate(digestContext, message.baseAddress, message.count) == 1,
        EVP_DigestFinal_ex(digestContext, digest.baseAddress, nil) == 1
      else { return false }
      return EVP_PKEY_verify(context, signature.baseAddress, signature.count, digest.baseAddress, algorithm.digestCount) == 1
    }
  }

  private func context(_ key: VerificationKey, _ publicKey: OpaquePointer, _ algorithm: JOSEAlgorithm) -> OpaquePointer? {
    let use = Use(key: ObjectIdentifier(key), algorithm: algorithm)
    if let context = contexts[use] { return context }
    guard let context = EVP_PKEY_CTX_new_from_pkey(nil, publicKey, nil) else { return nil }
    guard EVP_PKEY_verify_init(context) == 1, configure(context, algorithm) else {
      EVP_PKEY_CTX_free(context)
      return nil
    }
    contexts[use] = context
    keys.append(key)
    return context
  }

  private func configure(_ context: OpaquePointer, _ algorithm: JOSEAlgorithm) -> Bool {
    guard EVP_PKEY_CTX_set_signature_md(context, Digest.function(algorithm)) == 1 else { return false }
    switch algorithm.family {
    case .rsaPKCS1:
      return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
    case .rsaPSS:
      // RFC 7518 section 3.5: MGF1 with the same digest, and a salt exactly as long as the digest.
      return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, Int32(algorithm.digestCount)) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(context, Digest.function(algorithm)) == 1
    case .ecdsa, .edDSA, .hmac:
      return true
    }
  }
}
