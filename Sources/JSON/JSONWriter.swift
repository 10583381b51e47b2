import Bytes

/// Writes compact JSON: no white space, members in their order, only what must be escaped is.
package enum JSONWriter {
  package static func append(_ value: JSONValue, to bytes: inout [UInt8]) { write(value, to: &bytes) }
  package static func append(_ value: JSONValue, to queue: inout ByteQueue) { write(value, to: &queue) }

  /// A string with its quotes. `string` must be UTF-8.
  package static func append(string: [UInt8], to bytes: inout [UInt8]) { write(string: string, to: &bytes) }
  package static func append(string: Span<UInt8>, to bytes: inout [UInt8]) { write(string: string, to: &bytes) }
  package static func append(string: Span<UInt8>, to queue: inout ByteQueue) { write(string: string, to: &queue) }

  package static func append(integer: Int64, to bytes: inout [UInt8]) { write(integer: integer, to: &bytes) }

  package static func bytes(_ value: JSONValue) -> [UInt8] {
    var bytes: [UInt8] = []
    write(value, to: &bytes)
    return bytes
  }

  private static func write<Output: JSONOutput & ~Copyable>(_ value: JSONValue, to output: inout Output) {
    switch value {
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for index in members.indices {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        write(string: members[index].name, to: &output)
        output.append(UInt8(ascii: ":"))
        write(members[index].value, to: &output)
      }
      output.append(UInt8(ascii: "}"))
    case .array(let elements):
      output.append(UInt8(ascii: "["))
      for index in elements.indices {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        write(elements[index], to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .string(let string): write(string: string, to: &output)
    case .integer(let integer): write(integer: integer, to: &output)
    case .number(let number):
      // The shortest text that reads back as the same number. JSON has no infinity; the parser gives none either.
      write(text: number.isFinite ? number.description : "null", to: &output)
    case .boolean(let boolean): write(text: boolean ? "true" : "false", to: &output)
    case .null: write(text: "null", to: &output)
    }
  }

  private static func write<Output: JSONOutput & ~Copyable>(string: [UInt8], to output: inout Output) {
    write(string: string.span, to: &output)
  }

  private static func write<Output: JSONOutput & ~Copyable>(string: Span<UInt8>, to output: inout Output) {
    output.append(UInt8(ascii: "\""))
    for index in string.indices {
      let byte = string[index]
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        output.append(UInt8(ascii: "\\"))
        output.append(byte)
      case 0...0x1f, 0x7f:
        write(text: "\\u00", to: &output)
        output.append(0x30 + byte >> 4)
        let low = byte & 15
        output.append(low < 10 ? 0x30 + low : 0x57 + low)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private static func write<Output: JSONOutput & ~Copyable>(integer: Int64, to output: inout Output) {
    if integer < 0 { output.append(UInt8(ascii: "-")) }
    var divisor: UInt64 = 1
    while integer.magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      output.append(0x30 + UInt8(truncatingIfNeeded: integer.magnitude / divisor % 10))
      divisor /= 10
    }
  }

  private static func write<Output: JSONOutput & ~Copyable>(text: String, to output: inout Output) {
    for byte in text.utf8 { output.append(byte) }
  }
}

/// Where `JSONWriter` writes.
private protocol JSONOutput: ~Copyable {
  mutating func append(_ byte: UInt8)
}

extension [UInt8]: JSONOutput {}
extension ByteQueue: JSONOutput {}
