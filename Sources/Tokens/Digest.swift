import COpenSSL

/// The SHA-2 functions of OpenSSL, fetched once: in OpenSSL 3 a fetch by name costs more than hashing a short token.
enum Digest {
  nonisolated(unsafe) static let sha256 = EVP_MD_fetch(nil, "SHA256", nil)
  nonisolated(unsafe) static let sha384 = EVP_MD_fetch(nil, "SHA384", nil)
  nonisolated(unsafe) static let sha512 = EVP_MD_fetch(nil, "SHA512", nil)

  /// Nil for EdDSA, which takes the message itself.
  static func function(_ algorithm: JOSEAlgorithm) -> OpaquePointer? {
    switch algorithm {
    case .es256, .rs256, .ps256, .hs256: sha256
    case .es384, .rs384, .ps384, .hs384: sha384
    case .es512, .rs512, .ps512, .hs512: sha512
    case .edDSA: nil
    }
  }

  static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let done = EVP_Digest(bytes, bytes.count, &digest, nil, sha256, nil)
    precondition(done == 1, "SHA-256 is missing from OpenSSL")
    return digest
  }
}

/// What OpenSSL says about its last failure, and the queue emptied.
func takeOpenSSLError() -> String {
  let code = ERR_peek_last_error()
  ERR_clear_error()
  guard code != 0, let reason = ERR_reason_error_string(code) else { return "OpenSSL gives no reason" }
  return String(cString: reason)
}
