import Bytes
import HTTP
import HTTP1
import HTTP2

/// Where the fields of a head go: text for HTTP/1.1, a list for HPACK for HTTP/2. What is written is decided once, in
/// `ResponseFields` and `ErrorResponder`, whatever carries it.
package protocol FieldOutput: ~Copyable {
  /// The status line, or `:status`. Comes first.
  mutating func status(_ code: UInt16)
  /// The request line and `Host`, or the pseudo-headers of RFC 9113 section 8.3.1. Comes first.
  mutating func request(
    _ method: UnsafeBufferPointer<UInt8>, _ path: UnsafeBufferPointer<UInt8>, _ query: UnsafeBufferPointer<UInt8>?,
    _ authority: UnsafeBufferPointer<UInt8>, isWebSocket: Bool)
  /// What opens a WebSocket besides the request line or the pseudo-headers.
  mutating func webSocket(key: [UInt8])
  /// `TE: trailers`, where it may be said without `Connection` naming it.
  mutating func acceptsTrailers()
  mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>)
  /// A field whose value `compose` appends piece by piece.
  mutating func field(_ name: StaticString, compose: (inout ByteQueue) -> Void)
  /// A field whose value no other request will have: it is not worth a place in any table.
  mutating func unique(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>)
  mutating func unique(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>)
  /// Says that content follows whose length is not known, where the protocol has to be told.
  mutating func chunked()
  /// A field as it was parsed.
  mutating func copy(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>)
}

extension FieldOutput where Self: ~Copyable {
  package mutating func field(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
    field(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value)
  }

  package mutating func field(_ name: StaticString, _ value: StaticString) {
    field(name, UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  package mutating func field(_ name: StaticString, decimal value: UInt64) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var rest = value
      var start = 20
      repeat {
        start -= 1
        digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      field(name, UnsafeBufferPointer(rebasing: UnsafeBufferPointer(digits)[start...]))
    }
  }

  package mutating func copy(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>) {
    self.field(
      UnsafeBufferPointer(rebasing: bytes[field.name.bounds]), UnsafeBufferPointer(rebasing: bytes[field.value.bounds]))
  }
}

extension FieldSink: FieldOutput {
  package mutating func request(
    _ method: UnsafeBufferPointer<UInt8>, _ path: UnsafeBufferPointer<UInt8>, _ query: UnsafeBufferPointer<UInt8>?,
    _ authority: UnsafeBufferPointer<UInt8>, isWebSocket: Bool
  ) {
    if isWebSocket {
      // RFC 8441 section 4.
      field(":method", "CONNECT")
      field(":protocol", "websocket")
    } else {
      field(":method", method, isSensitive: false)
    }
    field(":scheme", "https")
    if !authority.isEmpty { field(":authority", authority, isSensitive: false) }
    field(":path") { value in
      value.append(path)
      guard let query else { return }
      value.append(0x3f)
      value.append(query)
    }
  }

  package mutating func unique(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
    unique(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value)
  }

  package mutating func unique(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    field(name, value, isSensitive: true)
  }

  package mutating func webSocket(key: [UInt8]) { field("sec-websocket-version", "13") }

  package mutating func acceptsTrailers() { field("te", "trailers") }

  /// DATA frames need no announcement.
  package mutating func chunked() {}

  package mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    field(name, value, isSensitive: false)
  }
}

extension ByteQueue: FieldOutput {
  package mutating func request(
    _ method: UnsafeBufferPointer<UInt8>, _ path: UnsafeBufferPointer<UInt8>, _ query: UnsafeBufferPointer<UInt8>?,
    _ authority: UnsafeBufferPointer<UInt8>, isWebSocket: Bool
  ) {
    append(method)
    append(0x20)
    append(path)
    if let query {
      append(0x3f)
      append(query)
    }
    append(" HTTP/1.1\r\nHost: ")
    append(authority)
    append("\r\n")
  }

  package mutating func field(_ name: StaticString, compose: (inout ByteQueue) -> Void) {
    append(name)
    append(": ")
    compose(&self)
    append("\r\n")
  }

  package mutating func unique(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) { field(name, value) }
  package mutating func unique(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) { field(name, value) }

  package mutating func webSocket(key: [UInt8]) {
    append("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ")
    append(key)
    append("\r\n")
  }

  package mutating func acceptsTrailers() {}

  package mutating func chunked() { append("Transfer-Encoding: chunked\r\n") }

  package mutating func status(_ code: UInt16) { HeadWriter.statusLine(code, into: &self) }

  package mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    HeadWriter.field(name.span, value.span, into: &self)
  }

  /// With one space behind the colon, whatever white space it came with; in one piece when it came with that.
  @inline(__always)
  package mutating func copy(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>) {
    if field.value.start == field.name.end &+ 2, bytes[field.name.end &+ 1] == 0x20 {
      append(UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.value.end]))
      append("\r\n")
    } else {
      HeadWriter.field(field, of: bytes.span, into: &self)
    }
  }
}
