import COpenSSL

/// `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 sections 4.1 and 4.2.2): how the two ends of a handshake know that the
/// other has understood it. Nothing secret is in it. Cold: two calls for each WebSocket.
package enum WebSocketKey {
  /// Characters of a key: base64 of 16 bytes.
  package static let length = 24

  private static let suffix: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

  /// A key for a handshake of the gateway's own.
  package static func make() -> [UInt8] {
    var system = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &system) }
    return base64(bytes)
  }

  /// What whoever understood a handshake with `key` answers in `Sec-WebSocket-Accept`.
  package static func accept(_ key: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    let text = Array(key) + UnsafeBufferPointer(start: suffix.utf8Start, count: suffix.utf8CodeUnitCount)
    var digest = [UInt8](repeating: 0, count: 20)
    let done = EVP_Digest(text, text.count, &digest, nil, EVP_sha1(), nil)
    precondition(done == 1, "SHA-1 is missing from OpenSSL")
    return base64(digest)
  }

  private static func base64(_ bytes: [UInt8]) -> [UInt8] {
    // EVP_EncodeBlock writes a NUL behind the text.
    var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
    let count = EVP_EncodeBlock(&text, bytes, Int32(bytes.count))
    return Array(text.prefix(Int(count)))
  }
}
