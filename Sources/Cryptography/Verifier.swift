import Bytes
import COpenSSL

/// Verifies signatures with OpenSSL's EVP, on one thread.
@safe package final class Verifier {
  private let contexts = PreparedContexts()

  package init() {}

  /// Drops what is held for keys: after a reload, or old keys would stay in memory.
  package func forgetKeys() { contexts.forgetKeys() }

  /// Whether `signature` is `key`'s over `message`. False for a scheme that does not fit the key.
  package func isValid(
    _ signature: Span<UInt8>, over message: Span<UInt8>, by key: AsymmetricKey, _ scheme: SignatureScheme
  ) -> Bool {
    let isValid: Bool
    switch scheme {
    case .ed25519: isValid = key.kind == .ed25519 && verifyWhole(message, key, signature)
    case .rsaPKCS1, .rsaPSS: isValid = key.kind == .rsa && verifyDigest(message, key, scheme, signature)
    case .ecdsa:
      guard let der = ECDSASignature.der(signature) else { return false }
      isValid = verifyDigest(message, key, scheme, der.span)
    }
    if !isValid { ERR_clear_error() }
    return isValid
  }

  private func verifyWhole(_ message: Span<UInt8>, _ key: AsymmetricKey, _ signature: Span<UInt8>) -> Bool {
    unsafe EVP_MD_CTX_reset(contexts.digest)
    // It keeps the key's context.
    defer { unsafe EVP_MD_CTX_reset(contexts.digest) }
    guard unsafe EVP_DigestVerifyInit(contexts.digest, nil, nil, nil, key.pointer) == 1 else { return false }
    // OpenSSL reads as many bytes as it is told there are.
    return unsafe signature.withUnsafeBufferPointer { signature in
      unsafe message.withUnsafeBufferPointer { message in
        unsafe EVP_DigestVerify(contexts.digest, signature.baseAddress, signature.count, message.baseAddress, message.count) == 1
      }
    }
  }

  private func verifyDigest(
    _ message: Span<UInt8>, _ key: AsymmetricKey, _ scheme: SignatureScheme, _ signature: Span<UInt8>
  ) -> Bool {
    let context = unsafe contexts.context(key, scheme) { unsafe EVP_PKEY_verify_init($0) == 1 && Self.configure($0, scheme) }
    guard let hash = scheme.hash, let context = unsafe context else { return false }
    // No digest is longer than 64 bytes.
    var digest = InlineArray<64, UInt8>(repeating: 0)
    var room = digest.mutableSpan
    // OpenSSL reads as many bytes as it is told there are, and writes as many as the function gives.
    return unsafe room.withUnsafeMutableBufferPointer { digest in
      let isDigested = unsafe message.withUnsafeBufferPointer {
        unsafe EVP_DigestInit_ex2(contexts.digest, hash.function, nil) == 1
          && EVP_DigestUpdate(contexts.digest, $0.baseAddress, $0.count) == 1
          && EVP_DigestFinal_ex(contexts.digest, digest.baseAddress, nil) == 1
      }
      guard isDigested else { return false }
      return unsafe signature.withUnsafeBufferPointer {
        unsafe EVP_PKEY_verify(context, $0.baseAddress, $0.count, digest.baseAddress, hash.count) == 1
      }
    }
  }

  private static func configure(_ context: OpaquePointer, _ scheme: SignatureScheme) -> Bool {
    guard let hash = scheme.hash, unsafe EVP_PKEY_CTX_set_signature_md(context, hash.function) == 1 else { return false }
    switch scheme {
    case .rsaPKCS1:
      return unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
    case .rsaPSS:
      return unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, Int32(hash.count)) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash.function) == 1
    case .ecdsa, .ed25519:
      return true
    }
  }
}
