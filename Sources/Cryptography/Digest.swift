import Bytes
import COpenSSL

/// Hash functions of OpenSSL.
package enum Digest {
  /// Fetched once: in OpenSSL 3 a fetch by name costs more than hashing a short token. Nobody frees them, and OpenSSL only reads
  /// them, from any thread.
  nonisolated(unsafe) static let sha256Function = unsafe EVP_MD_fetch(nil, "SHA256", nil)
  nonisolated(unsafe) static let sha384Function = unsafe EVP_MD_fetch(nil, "SHA384", nil)
  nonisolated(unsafe) static let sha512Function = unsafe EVP_MD_fetch(nil, "SHA512", nil)

  /// 32 bytes.
  package static func sha256(_ bytes: Span<UInt8>) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    // OpenSSL reads as many bytes as it is told there are, and writes 32.
    let done = unsafe bytes.withUnsafeBufferPointer {
      unsafe EVP_Digest($0.baseAddress, $0.count, &digest, nil, sha256Function, nil)
    }
    precondition(done == 1, "SHA-256 is missing from OpenSSL")
    return digest
  }

  package static func sha256(_ bytes: [UInt8]) -> [UInt8] { sha256(bytes.span) }

  /// 20 bytes. For protocols that name it; nothing secret depends on it.
  package static func sha1(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 20)
    // OpenSSL reads as many bytes as it is told there are, and writes 20.
    let done = unsafe EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha1(), nil)
    precondition(done == 1, "SHA-1 is missing from OpenSSL")
    return digest
  }

  /// `bytes` in lower-case hexadecimal.
  package static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
