import Bytes
import COpenSSL

/// HMAC (RFC 2104).
package enum MessageAuthentication {
  /// The code of `message` under `key`; nil when OpenSSL fails.
  package static func code(_ hash: HashFunction, key: [UInt8], _ message: Span<UInt8>) -> [UInt8]? {
    var code = [UInt8](repeating: 0, count: hash.count)
    var count: UInt32 = 0
    // OpenSSL reads as many bytes as it is told there are, and writes as many as the function gives.
    let made = unsafe message.withUnsafeBufferPointer {
      unsafe HMAC(hash.function, key, Int32(clamping: key.count), $0.baseAddress, $0.count, &code, &count) != nil
    }
    return made && Int(count) == hash.count ? code : nil
  }
}
