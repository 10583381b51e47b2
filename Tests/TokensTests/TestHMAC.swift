import Cryptography
import JSON

@testable import Tokens

/// HMAC-SHA-256 for tests, from SHA-256 alone, so that it does not share the verifier's code.
enum TestHMAC {
  static func token(_ secret: [UInt8], claims: JSONValue, header: JSONValue) -> [UInt8] {
    let message = Base64URL.encode(JSONWriter.bytes(header)) + [0x2e] + Base64URL.encode(JSONWriter.bytes(claims))
    let key = (secret.count > 64 ? Digest.sha256(secret) : secret)
    let padded = key + [UInt8](repeating: 0, count: 64 - key.count)
    let inner = Digest.sha256(padded.map { $0 ^ 0x36 } + message)
    return message + [0x2e] + Base64URL.encode(Digest.sha256(padded.map { $0 ^ 0x5c } + inner))
  }
}
