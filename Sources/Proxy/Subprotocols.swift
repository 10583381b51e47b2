import Bytes
import HTTP

/// The elements of a head's `Sec-WebSocket-Protocol` fields (RFC 6455 section 11.3.4), one after the other, as one list.
struct Subprotocols {
  private var index: Int?
  private var list: TokenList?
  /// Something in the list is no token: what it offers cannot be told.
  private(set) var isMalformed = false

  init(_ fields: borrowing HeaderBlock) { index = fields.first(.secWebSocketProtocol) }

  mutating func next(_ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>) -> ByteRange? {
    while let index {
      if list == nil { list = TokenList(fields[index].value) }
      switch list?.next(in: bytes.span) {
      case .token(let range): return range
      case .malformed:
        isMalformed = true
        return nil
      case .end, nil:
        list = nil
        self.index = fields.first(.secWebSocketProtocol, from: index + 1)
      }
    }
    return nil
  }

  /// Whether `element` is `marker`: subprotocols are compared byte by byte.
  static func isMarker(_ element: ByteRange, _ marker: [UInt8], _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    element.length == marker.count && bytes[element.bounds].elementsEqual(marker)
  }
}
