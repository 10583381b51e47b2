import Bytes
import COpenSSL

/// Signs with OpenSSL's EVP, on one thread: ECDSA with P-256 and SHA-256, or Ed25519.
@safe package final class Signer {
  /// Bytes of a signature, of both kinds.
  package static let signatureCount = 64

  private let contexts = PreparedContexts()

  package init() {}

  /// Drops what is held for keys: after a rotation, or an old private key would stay in memory.
  package func forgetKeys() { contexts.forgetKeys() }

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
    // It keeps the key's context.
    defer { unsafe EVP_MD_CTX_reset(contexts.digest) }
    var signature = InlineArray<64, UInt8>(repeating: 0)
    var room = signature.mutableSpan
    // OpenSSL reads as many bytes as it is told there are, and writes no more than there is room for.
    let isSigned = unsafe room.withUnsafeMutableBufferPointer { signature in
      unsafe message.withUnsafeBufferPointer { message in
        var count = signature.count
        return unsafe EVP_DigestSignInit(contexts.digest, nil, nil, nil, key.pointer) == 1
          && EVP_DigestSign(contexts.digest, signature.baseAddress, &count, message.baseAddress, message.count) == 1
          && count == signature.count
      }
    }
    return isSigned ? signature : nil
  }

  private func signDigest(_ message: Span<UInt8>, _ key: AsymmetricKey) -> InlineArray<64, UInt8>? {
    let context = unsafe contexts.context(key, .ecdsa(.sha256)) {
      unsafe EVP_PKEY_sign_init($0) == 1 && EVP_PKEY_CTX_set_signature_md($0, HashFunction.sha256.function) == 1
    }
    guard let context = unsafe context else { return nil }
    var digest = [UInt8](repeating: 0, count: HashFunction.sha256.count)
    var der = [UInt8](repeating: 0, count: ECDSASignature.maximumDERCount)
    var count = der.count
    // OpenSSL reads as many bytes as it is told there are, and writes 32, and no more than there is room for.
    let isSigned = unsafe message.withUnsafeBufferPointer {
      unsafe EVP_DigestInit_ex2(contexts.digest, HashFunction.sha256.function, nil) == 1
        && EVP_DigestUpdate(contexts.digest, $0.baseAddress, $0.count) == 1
        && EVP_DigestFinal_ex(contexts.digest, &digest, nil) == 1
        && EVP_PKEY_sign(context, &der, &count, digest, digest.count) == 1
    }
    guard isSigned, count <= der.count else { return nil }
    return ECDSASignature.p256(der.span.extracting(..<count))
  }
}
