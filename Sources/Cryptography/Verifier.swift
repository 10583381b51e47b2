import Bytes
import COpenSSL

/// Verifies signatures with OpenSSL's EVP, on one thread.
///
/// Holds what can be used again from one signature to the next: a digest context and, per key and scheme, a ready
/// `EVP_PKEY_CTX`, whose making costs a few microseconds in OpenSSL 3.
@safe package final class Verifier {
  // All of these are this object's own. Each is freed once: by `forgetKeys`, or when the object goes.
  private let digestContext: OpaquePointer
  private var contexts: [Use: OpaquePointer] = unsafe [:]
  /// Keeps the keys alive whose addresses `contexts` is keyed by.
  private var keys: [AsymmetricKey] = []

  private struct Use: Hashable {
    var key: ObjectIdentifier
    var scheme: SignatureScheme
  }

  package init() {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    unsafe digestContext = context
  }

  deinit {
    forgetKeys()
    unsafe EVP_MD_CTX_free(digestContext)
  }

  /// Drops what is held for keys: after a reload, or old keys would stay in memory.
  package func forgetKeys() {
    unsafe contexts.values.forEach { unsafe EVP_PKEY_CTX_free($0) }
    unsafe contexts = [:]
    keys = []
  }

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
    unsafe EVP_MD_CTX_reset(digestContext)
    // It keeps the key's context, on which a digest of its own could never again be begun.
    defer { unsafe EVP_MD_CTX_reset(digestContext) }
    guard unsafe EVP_DigestVerifyInit(digestContext, nil, nil, nil, key.pointer) == 1 else { return false }
    // OpenSSL reads as many bytes as it is told there are.
    return unsafe signature.withUnsafeBufferPointer { signature in
      unsafe message.withUnsafeBufferPointer { message in
        unsafe EVP_DigestVerify(digestContext, signature.baseAddress, signature.count, message.baseAddress, message.count) == 1
      }
    }
  }

  private func verifyDigest(
    _ message: Span<UInt8>, _ key: AsymmetricKey, _ scheme: SignatureScheme, _ signature: Span<UInt8>
  ) -> Bool {
    guard let hash = scheme.hash, let context = unsafe context(key, scheme) else { return false }
    // No digest is longer than 64 bytes.
    var digest = InlineArray<64, UInt8>(repeating: 0)
    var room = digest.mutableSpan
    // OpenSSL reads as many bytes as it is told there are, and writes as many as the function gives.
    return unsafe room.withUnsafeMutableBufferPointer { digest in
      let isDigested = unsafe message.withUnsafeBufferPointer {
        unsafe EVP_DigestInit_ex2(digestContext, hash.function, nil) == 1
          && EVP_DigestUpdate(digestContext, $0.baseAddress, $0.count) == 1
          && EVP_DigestFinal_ex(digestContext, digest.baseAddress, nil) == 1
      }
      guard isDigested else { return false }
      return unsafe signature.withUnsafeBufferPointer {
        unsafe EVP_PKEY_verify(context, $0.baseAddress, $0.count, digest.baseAddress, hash.count) == 1
      }
    }
  }

  private func context(_ key: AsymmetricKey, _ scheme: SignatureScheme) -> OpaquePointer? {
    let use = Use(key: ObjectIdentifier(key), scheme: scheme)
    if let context = unsafe contexts[use] { return unsafe context }
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else { return nil }
    guard unsafe EVP_PKEY_verify_init(context) == 1, unsafe configure(context, scheme) else {
      unsafe EVP_PKEY_CTX_free(context)
      return nil
    }
    unsafe contexts[use] = context
    keys.append(key)
    return unsafe context
  }

  private func configure(_ context: OpaquePointer, _ scheme: SignatureScheme) -> Bool {
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
