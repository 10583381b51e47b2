import COpenSSL

/// The SHA-2 functions.
package enum HashFunction: UInt8, Sendable {
  case sha256, sha384, sha512

  /// Bytes of a digest.
  package var count: Int {
    switch self {
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }

  /// OpenSSL's, for as long as the process lives; nil when OpenSSL has it not.
  var function: OpaquePointer? {
    switch self {
    case .sha256: unsafe Self.sha256Function
    case .sha384: unsafe Self.sha384Function
    case .sha512: unsafe Self.sha512Function
    }
  }

  // Fetched once: in OpenSSL 3 a fetch by name costs more than hashing a short token. Nobody frees them, and OpenSSL only reads
  // them, from any thread.
  private nonisolated(unsafe) static let sha256Function = unsafe EVP_MD_fetch(nil, "SHA256", nil)
  private nonisolated(unsafe) static let sha384Function = unsafe EVP_MD_fetch(nil, "SHA384", nil)
  private nonisolated(unsafe) static let sha512Function = unsafe EVP_MD_fetch(nil, "SHA512", nil)
}
