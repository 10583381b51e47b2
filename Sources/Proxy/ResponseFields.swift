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
    case chunked
    case untilClose
  }

  package enum Persistence {
    /// HTTP/1.1 keeps connections open without saying so.
    case implied
    case keepAlive
    case close
  }

  /// Writes status line, fields and the empty line of a final response.
  ///
  /// - Parameter now: seconds since 1970, for the `Date` of a response that has none (RFC 9110 section 6.6.1).
  package static func write(
    _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, framing: Framing, persistence: Persistence,
    date: inout DateLine, now: Int64, to out: inout ByteQueue
  ) {
    HeadWriter.statusLine(head.status, into: &out)
    var hasDate = false
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      switch field.id {
      case .contentLength:
        // Of a HEAD or 304 response it is what a GET would have had; never of a 204 (RFC 9110 section 8.6).
        if case .asGiven = framing, head.status != 204 { copy(field, bytes, to: &out) }
      case .other:
        if !head.hasConnectionOptions || !isNominated(field, head, bytes) { copy(field, bytes, to: &out) }
      default:
        if HopByHop.contains(field.id) { continue }
        if field.id == .date { hasDate = true }
        if !head.hasConnectionOptions || !isNominated(field, head, bytes) { copy(field, bytes, to: &out) }
      }
    }
    if !hasDate { date.append(now: now, into: &out) }
    switch framing {
    case .asGiven, .untilClose: break
    case .empty: out.append("Content-Length: 0\r\n")
    case .chunked: out.append("Transfer-Encoding: chunked\r\n")
    }
    end(persistence, to: &out)
  }

  /// Writes an interim (1xx) response.
  package static func writeInterim(
    _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue
  ) {
    HeadWriter.statusLine(head.status, into: &out)
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      if HopByHop.contains(field.id) || field.id == .contentLength { continue }
      if !head.hasConnectionOptions || !isNominated(field, head, bytes) { copy(field, bytes, to: &out) }
    }
    out.append("\r\n")
  }

  /// The `Connection` field, if one is needed, and the empty line.
  static func end(_ persistence: Persistence, to out: inout ByteQueue) {
    switch persistence {
    case .implied: out.append("\r\n")
    case .keepAlive: out.append("Connection: keep-alive\r\n\r\n")
    case .close: out.append("Connection: close\r\n\r\n")
    }
  }

  /// `name: value` with one space, whatever white space it came with.
  @inline(__always)
  static func copy(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue) {
    if field.value.start == field.name.end &+ 2, bytes[field.name.end &+ 1] == 0x20 {
      out.append(UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.value.end]))
    } else {
      out.append(UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.name.end]))
      out.append(": ")
      out.append(UnsafeBufferPointer(rebasing: bytes[field.value.start..<field.value.end]))
    }
    out.append("\r\n")
  }

  private static func isNominated(
    _ field: HeaderField, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    let name = UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.name.end])
    return HopByHop.isNominated(name: name.span, by: head.fields, in: bytes.span)
  }
}
