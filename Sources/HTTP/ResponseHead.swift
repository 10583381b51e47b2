import Bytes

/// The head of a response, as ranges into the bytes it was read from.
public struct ResponseHead: ~Copyable {
  package var status: UInt16 = 0
  package var reason: ByteRange = .empty
  package var minorVersion: UInt8 = 1
  package var framing: BodyFraming = .none
  /// Whether the backend keeps the connection open after this response.
  package var isPersistent = true
  /// `Connection` names something besides `close`, `keep-alive` and `upgrade`: fields that it names are marked.
  package var hasConnectionOptions = false
  /// 101, and what it switches to is WebSocket (RFC 6455 section 4.2.2).
  package var isWebSocket = false
  /// Bytes of the whole head, the empty line included.
  package var length = 0
  package var fields: HeaderBlock

  package init(fieldCapacity: Int) {
    fields = HeaderBlock(capacity: fieldCapacity)
  }

  /// 1xx: another response to the same request follows. 101 is final (RFC 9110 section 15.2).
  package var isInterim: Bool { status < 200 && status != 101 }

  package mutating func reset() {
    status = 0
    reason = .empty
    minorVersion = 1
    framing = .none
    isPersistent = true
    hasConnectionOptions = false
    isWebSocket = false
    length = 0
    fields.removeAll()
  }
}
