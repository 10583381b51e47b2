import Bytes
import HTTP

/// Writes heads of HTTP/1.1 messages into a queue. Values are written as they are: they come from a parser that
/// refused line ends, or from the gateway itself.
package enum HeadWriter {
  /// `HTTP/1.1 404 Not Found` and the line end. A code without a standard phrase gets an empty one.
  package static func statusLine(_ status: UInt16, into queue: inout ByteQueue) {
    let line = StatusLine.text(status)
    if line.utf8CodeUnitCount > 0 {
      queue.append(line)
    } else {
      queue.append("HTTP/1.1 ")
      queue.append(decimal: UInt64(status))
      queue.append(" \r\n")
    }
  }

  package static func field(_ name: Span<UInt8>, _ value: Span<UInt8>, into queue: inout ByteQueue) {
    queue.append(field: name, value)
  }

  package static func field(_ name: StaticString, _ value: Span<UInt8>, into queue: inout ByteQueue) {
    field(name.bytes, value, into: &queue)
  }

  package static func field(_ name: StaticString, _ value: StaticString, into queue: inout ByteQueue) {
    field(name.bytes, value.bytes, into: &queue)
  }

  package static func field(_ name: StaticString, decimal value: UInt64, into queue: inout ByteQueue) {
    queue.append(name)
    queue.append(": ")
    queue.append(decimal: value)
    queue.append("\r\n")
  }

  /// Copies a parsed field.
  ///
  /// - Parameter bytes: what `parsed` holds ranges of.
  package static func field(_ parsed: HeaderField, of bytes: Span<UInt8>, into queue: inout ByteQueue) {
    field(bytes.extracting(parsed.name.bounds), bytes.extracting(parsed.value.bounds), into: &queue)
  }

  /// The empty line.
  package static func end(into queue: inout ByteQueue) {
    queue.append("\r\n")
  }
}
