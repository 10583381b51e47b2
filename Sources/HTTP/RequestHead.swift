import Bytes

/// How the end of a message's content is found (RFC 9112 section 6).
@usableFromInline package enum BodyFraming: Equatable, Sendable {
  case none
  /// This many bytes follow.
  case length(UInt64)
  /// RFC 9112 section 7.1.
  case chunked
  /// Until the connection closes: HTTP/1 responses only.
  case untilClose
  /// HTTP/2 DATA frames up to END_STREAM, the length not announced.
  case stream
}

/// The head of a request, as ranges into the bytes it was read from.
///
/// Whatever carried the request fills the same fields, so that policy has one thing to look at. Made once per
/// exchange and used again: `reset()` between requests.
package struct RequestHead: ~Copyable {
  package var method: HTTPMethod = .other
  package var methodRange: ByteRange = .empty
  /// The request target as sent: origin-form, absolute-form, authority-form or `*`.
  package var target: ByteRange = .empty
  /// The target's path, `?` and query excluded, not yet canonical. For `OPTIONS *` it is `*`; for an absolute-form without
  /// a path it is `/`; for authority-form it is empty.
  package var path: ByteRange = .empty
  /// What follows the first `?`, which is not part of it. Look at `hasQuery`: `/a?` has an empty one.
  package var query: ByteRange = .empty
  package var hasQuery = false
  /// Host and optional port: of `Host`, of an absolute-form target (which must agree), or `:authority`. Empty in HTTP/1.0
  /// without `Host`.
  package var authority: ByteRange = .empty
  /// 1 for HTTP/1.1, 0 for HTTP/1.0; 1 for HTTP/2, which asks no less of us.
  package var minorVersion: UInt8 = 1
  package var framing: BodyFraming = .none
  /// Whether the client keeps the connection open after the answer (RFC 9112 section 9.3).
  package var isPersistent = true
  /// `Expect: 100-continue` on a request with content (RFC 9110 section 10.1.1).
  package var expectsContinue = false
  /// The opening handshake of a WebSocket: a GET without content that asks for the upgrade (RFC 6455 section 4.1), or an extended
  /// CONNECT for `websocket` (RFC 8441 section 4), whose method reads GET here. Other upgrades are not offered and not seen.
  package var isWebSocket = false
  /// The value of `Sec-WebSocket-Key`; empty in HTTP/2, which has none.
  package var webSocketKey: ByteRange = .empty
  /// `Connection` names something besides `close`, `keep-alive` and `upgrade`: fields that it names are marked.
  package var hasConnectionOptions = false
  /// Bytes of the whole head, the empty line included.
  package var length = 0
  package var fields: HeaderBlock

  package init(fieldCapacity: Int) {
    fields = HeaderBlock(capacity: fieldCapacity)
  }

  package mutating func reset() {
    method = .other
    methodRange = .empty
    target = .empty
    path = .empty
    query = .empty
    hasQuery = false
    authority = .empty
    minorVersion = 1
    framing = .none
    isPersistent = true
    expectsContinue = false
    isWebSocket = false
    webSocketKey = .empty
    hasConnectionOptions = false
    length = 0
    fields.removeAll()
  }
}
