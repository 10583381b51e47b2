import Bytes
import COpenSSL

/// Signs with OpenSSL's EVP, on one thread: ECDSA with P-256 and SHA-256, or Ed25519.
///
/// Holds what can be used again from one signature to the next: a digest context and a ready `EVP_PKEY_CTX` for each key.
/// Without it OpenSSL 3 looks the implementation up by name for each signature.
@safe package final class Signer {
  /// Bytes of a signature, of both kinds.
  package static let signatureCount = 64

  // All of these are this object's own. Each is freed once: by `forgetKeys`, or when the object goes.
  private let digestContext: OpaquePointer
  private var contexts: [ObjectIdentifier: OpaquePointer] = unsafe [:]
  /// Keeps the keys alive whose addresses `contexts` is keyed by.
  private var keys: [AsymmetricKey] = []

  package init() {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    unsafe digestContext = context
  }

  deinit {
    forgetKeys()
    unsafe EVP_MD_CTX_free(digestContext)
  }

  /// Drops what is held for keys: after a rotation, or an old private key would stay in memory.
  package func forgetKeys() {
    unsafe contexts.values.forEach { unsafe EVP_PKEY_CTX_free($0) }
    unsafe contexts = [:]
    keys = []
  }

  /// The signature of `message`: r and s for P-256. Nil when OpenSSL fails, and for other kinds of key.
  package func sign(_ message: Span<UInt8>, with key: AsymmetricKey) -> InlineArray<64, UInt8>? {
    ERR_clear_error()
    return switch key.kind {
    case .ed25519: signWhole(message, key)
    case .p256: signDigest(message, key)
    case .p384, .p521, .otherCurve, .rsa, .other: nil
    }
  }

  private func signWhole(_ message: Span<UInt8>, _ key: AsymmetricKey) -> InlineArray<64, UInt8>? {
    // It keeps the key's context, on which a digest of its own could never again be begun.
    defer { unsafe EVP_MD_CTX_reset(digestContext) }
    var signature = InlineArray<64, UInt8>(repeating: 0)
    var room = signature.mutableSpan
    // OpenSSL reads as many bytes as it is told there are, and writes no more than there is room for.
    let isSigned = unsafe room.withUnsafeMutableBufferPointer { signature in
      unsafe message.withUnsafeBufferPointer { message in
        var count = signature.count
        return unsafe EVP_DigestSignInit(digestContext, nil, nil, nil, key.pointer) == 1
          && EVP_DigestSign(digestContext, signature.baseAddress, &count, message.baseAddress, message.count) == 1
          && count == signature.count
      }
    }
    return isSigned ? signature : nil
  }

  private func signDigest(_ message: Span<UInt8>, _ key: AsymmetricKey) -> InlineArray<64, UInt8>? {
    guard let context = unsafe context(key) else { return nil }
    var digest = [UInt8](repeating: 0, count: HashFunction.sha256.count)
    var der = [UInt8](repeating: 0, count: ECDSASignature.maximumDERCount)
    var count = der.count
    // OpenSSL reads as many bytes as it is told there are, and writes 32, and no more than there is room for.
    let isSigned = unsafe message.withUnsafeBufferPointer {
      unsafe EVP_DigestInit_ex2(digestContext, HashFunction.sha256.function, nil) == 1
        && EVP_DigestUpdate(digestContext, $0.baseAddress, $0.count) == 1
        && EVP_DigestFinal_ex(digestContext, &digest, nil) == 1
        && EVP_PKEY_sign(context, &der, &count, digest, digest.count) == 1
    }
    guard isSigned, count <= der.count else { return nil }
    return ECDSASignature.p256(der.span.extracting(..<count))
  }

  private func context(_ key: AsymmetricKey) -> OpaquePointer? {
    if let context = unsafe contexts[ObjectIdentifier(key)] { return unsafe context }
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else { return nil }
    guard unsafe EVP_PKEY_sign_init(context) == 1,
      unsafe EVP_PKEY_CTX_set_signature_md(context, HashFunction.sha256.function) == 1
    else {
      unsafe EVP_PKEY_CTX_free(context)
      return nil
    }
    unsafe contexts[ObjectIdentifier(key)] = context
    keys.append(key)
    return unsafe context
  }
}
