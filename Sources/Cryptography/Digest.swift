import Bytes
import COpenSSL

package enum Digest {
  /// 32 bytes.
  package static func sha256(_ bytes: Span<UInt8>) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: HashFunction.sha256.count)
    // OpenSSL reads as many bytes as it is told there are, and writes as many as the function gives.
    let done = unsafe bytes.withUnsafeBufferPointer {
      unsafe EVP_Digest($0.baseAddress, $0.count, &digest, nil, HashFunction.sha256.function, nil)
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
