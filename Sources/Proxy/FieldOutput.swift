import Bytes
import HTTP
import HTTP1
import HTTP2

/// Where the fields of a head go: text for HTTP/1.1, a list for HPACK for HTTP/2. What is written is decided once, in
/// `ResponseFields` and `ErrorResponder`, whatever carries it.
package protocol FieldOutput: ~Copyable {
  /// The status line, or `:status`. Comes first.
  mutating func status(_ code: UInt16)
  mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>)
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
  package mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    field(name, value, isSensitive: false)
  }
}

extension ByteQueue: FieldOutput {
  package mutating func status(_ code: UInt16) { HeadWriter.statusLine(code, into: &self) }

  package mutating func field(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    HeadWriter.field(name, value, into: &self)
  }

  /// With one space behind the colon, whatever white space it came with; in one piece when it came with that.
  @inline(__always)
  package mutating func copy(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>) {
    if field.value.start == field.name.end &+ 2, bytes[field.name.end &+ 1] == 0x20 {
      append(UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.value.end]))
      append("\r\n")
    } else {
      HeadWriter.field(field, of: bytes, into: &self)
    }
  }
}
