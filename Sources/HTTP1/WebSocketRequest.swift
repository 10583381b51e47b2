import Bytes
import HTTP

/// What the fields of a request head say about an upgrade to WebSocket (RFC 6455 section 4.1), gathered as they pass.
///
/// A handshake that is not exactly as the RFC has it is no handshake: the request is then an ordinary one, its `Upgrade` is not
/// forwarded, and no backend can take it for more than that.
struct WebSocketRequest {
  /// Base64 of 16 bytes.
  private static let keyLength = 24

  private var namesWebSocket = false
  private var keys = 0
  private var versions = 0
  private(set) var key: ByteRange = .empty

  var isComplete: Bool { namesWebSocket && keys == 1 && versions == 1 && !key.isEmpty }

  /// Looks at `Upgrade`, `Sec-WebSocket-Key` and `Sec-WebSocket-Version`.
  mutating func note(_ field: HeaderField, in bytes: Span<UInt8>) {
    let value = bytes.extracting(field.value.bounds)
    switch field.id {
    case .upgrade:
      var list = TokenList(field.value)
      while case .token(let token) = list.next(in: bytes) {
        if bytes.extracting(token.bounds).equalsIgnoringCase("websocket") { namesWebSocket = true }
      }
    case .secWebSocketKey:
      keys &+= 1
      key = Self.isKey(value) ? field.value : .empty
    case .secWebSocketVersion:
      // The one version there is (RFC 6455 section 4.4); another is counted twice, so that it never fits.
      versions &+= value.equals("13") ? 1 : 2
    default: break
    }
  }

  private static func isKey(_ value: Span<UInt8>) -> Bool {
    guard value.count == keyLength, value[22] == UInt8(ascii: "="), value[23] == UInt8(ascii: "=") else { return false }
    for index in 0..<22 {
      let byte = value[index]
      let isLetter = (byte | 0x20) &- UInt8(ascii: "a") < 26
      guard isLetter || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/") else { return false }
    }
    return true
  }
}
