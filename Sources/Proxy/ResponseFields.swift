import Bytes
import HTTP
import HTTP1

/// Which fields of a backend's response reach the client, and what the gateway adds.
package enum ResponseFields {
  package enum Framing {
    /// `Content-Length` as the backend gave it, if it did.
    case asGiven
    /// No content, and nothing announced it: `Content-Length: 0`.
    case empty
    /// `Transfer-Encoding: chunked`.
    case chunked
    /// The end of the stream or of the connection is the end of the content.
    case untilEnd
  }

  package enum Persistence {
    /// HTTP/1.1 keeps connections open without saying so; HTTP/2 has no such field.
    case implied
    case keepAlive
    case close
  }

  /// Writes status and fields of a final response.
  ///
  /// - Parameter now: seconds since 1970, asked for the `Date` of a response that has none (RFC 9110 section 6.6.1).
  package static func write<Output: FieldOutput & ~Copyable>(
    _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, framing: Framing, persistence: Persistence,
    now: @autoclosure () -> Int64, to out: inout Output
  ) {
    out.status(head.status)
    var hasDate = false
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      switch field.id {
      case .contentLength:
        // Of a HEAD or 304 response it is what a GET would have had; never of a 204 (RFC 9110 section 8.6).
        if case .asGiven = framing, head.status != 204 { out.copy(field, bytes) }
      case .other:
        if !field.isNominated { out.copy(field, bytes) }
      default:
        if HopByHop.contains(field.id) { continue }
        if field.id == .date { hasDate = true }
        if !field.isNominated { out.copy(field, bytes) }
      }
    }
    if !hasDate { date(now(), to: &out) }
    switch framing {
    case .asGiven, .untilEnd: break
    case .empty: out.field("Content-Length", "0")
    case .chunked: out.field("Transfer-Encoding", "chunked")
    }
    end(persistence, to: &out)
  }

  /// Writes status and fields of an interim (1xx) response.
  package static func writeInterim<Output: FieldOutput & ~Copyable>(
    _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to out: inout Output
  ) {
    out.status(head.status)
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      if HopByHop.contains(field.id) || field.id == .contentLength { continue }
      if !field.isNominated { out.copy(field, bytes) }
    }
  }

  /// Writes the answer to a WebSocket's handshake, but for the fields that HTTP/1.1 adds by itself.
  ///
  /// - Parameter marker: the subprotocol that stood before a token, chosen when the backend chose none: a browser that has offered
  ///   some gives up when none is chosen. Empty when there was no such token.
  static func writeTunnel<Output: FieldOutput & ~Copyable>(
    _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, status: UInt16, marker: [UInt8], to out: inout Output
  ) {
    out.status(status)
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      if HopByHop.contains(field.id) || field.id == .contentLength || field.id == .secWebSocketAccept { continue }
      if !field.isNominated { out.copy(field, bytes) }
    }
    if !marker.isEmpty, head.fields.first(.secWebSocketProtocol) == nil {
      marker.withUnsafeBufferPointer { out.field("Sec-WebSocket-Protocol", $0) }
    }
  }

  static func date<Output: FieldOutput & ~Copyable>(_ now: Int64, to out: inout Output) {
    HTTPDate.format(now).span.withUnsafeBufferPointer { out.field("Date", $0) }
  }

  /// The `Connection` field, if one is needed.
  static func end<Output: FieldOutput & ~Copyable>(_ persistence: Persistence, to out: inout Output) {
    switch persistence {
    case .implied: break
    case .keepAlive: out.field("Connection", "keep-alive")
    case .close: out.field("Connection", "close")
    }
  }
}
