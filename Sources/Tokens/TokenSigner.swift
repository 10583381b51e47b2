import COpenSSL

/// Signs with OpenSSL's EVP, on one worker.
///
/// Holds what can be used again from one signature to the next: a digest context and a ready `EVP_PKEY_CTX` for each key.
/// Without it OpenSSL 3 looks the implementation up by name for each signature.
package final class TokenSigner {
  private let digestContext: OpaquePointer
  private var contexts: [ObjectIdentifier: OpaquePointer] = [:]
  /// Keeps the keys alive whose addresses `contexts` is keyed by.
  private var keys: [SigningKey] = []

  package init() {
    guard let context = EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    digestContext = context
  }

  deinit {
    forgetKeys()
    EVP_MD_CTX_free(digestContext)
  }

  /// Drops what is held for keys: after a rotation, or an old private key would stay in memory.
  package func forgetKeys() {
    for context in contexts.values { EVP_PKEY_CTX_free(context) }
    contexts = [:]
    keys = []
  }

  /// Signs `message` into `signature`, which takes 64 bytes: r and s for ES256. False when OpenSSL fails.
  package func sign(
    _ message: UnsafeBufferPointer<UInt8>, with key: SigningKey, into signature: UnsafeMutableBufferPointer<UInt8>
  ) -> Bool {
    precondition(signature.count >= SigningKey.signatureCount)
    ERR_clear_error()
    return key.algorithm == .edDSA ? signEdDSA(message, key, signature) : signDigest(message, key, signature)
  }

  private func signEdDSA(
    _ message: UnsafeBufferPointer<UInt8>, _ key: SigningKey, _ signature: UnsafeMutableBufferPointer<UInt8>
  ) -> Bool {
    // It keeps the key's context, on which a digest of its own could never again be begun.
    defer { EVP_MD_CTX_reset(digestContext) }
    var count = SigningKey.signatureCount
    return EVP_DigestSignInit(digestContext, nil, nil, nil, key.pointer) == 1
      && EVP_DigestSign(digestContext, signature.baseAddress, &count, message.baseAddress, message.count) == 1
      && count == SigningKey.signatureCount
  }

  private func signDigest(
    _ message: UnsafeBufferPointer<UInt8>, _ key: SigningKey, _ signature: UnsafeMutableBufferPointer<UInt8>
  ) -> Bool {
    guard let context = context(key) else { return false }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32 + ECDSASignature.maximumDERCount) { scratch in
      guard let digest = scratch.baseAddress,
        EVP_DigestInit_ex2(digestContext, Digest.sha256, nil) == 1,
        EVP_DigestUpdate(digestContext, message.baseAddress, message.count) == 1,
        EVP_DigestFinal_ex(digestContext, digest, nil) == 1
      else { return false }
      var count = ECDSASignature.maximumDERCount
      guard EVP_PKEY_sign(context, digest + 32, &count, digest, 32) == 1 else { return false }
      return ECDSASignature.decodeDER(
        UnsafeBufferPointer(start: digest + 32, count: count),
        into: UnsafeMutableBufferPointer(rebasing: signature[..<SigningKey.signatureCount]))
    }
  }

  private func context(_ key: SigningKey) -> OpaquePointer? {
    if let context = contexts[ObjectIdentifier(key)] { return context }
    guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else { return nil }
    guard EVP_PKEY_sign_init(context) == 1, EVP_PKEY_CTX_set_signature_md(context, Digest.sha256) == 1 else {
      EVP_PKEY_CTX_free(context)
      return nil
    }
    contexts[ObjectIdentifier(key)] = context
    keys.append(key)
    return context
  }
}
