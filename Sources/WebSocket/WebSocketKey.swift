import Bytes
import Cryptography

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
  package static func accept(_ key: Span<UInt8>) -> [UInt8] { base64(Digest.sha1([UInt8](key) + [UInt8](suffix.bytes))) }

  /// With padding (RFC 4648 section 4).
  private static func base64(_ bytes: [UInt8]) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 { text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "=")) }
    }
    return text
  }
}
