import Bytes

/// Base64url without padding (RFC 7515 section 2), read strictly: no `=`, no white space, no `+` or `/`, and no bits set that
/// the text has no byte for. So each byte string has exactly one spelling.
package enum Base64URL {
  /// Bytes that `count` characters stand for; nil for a count that no byte string has.
  package static func decodedCount(_ count: Int) -> Int? {
    let rest = count & 3
    return rest == 1 ? nil : (count >> 2) * 3 + (rest == 0 ? 0 : rest - 1)
  }

  /// Characters that `count` bytes take.
  package static func encodedCount(_ count: Int) -> Int { (count / 3) * 4 + (count % 3 == 0 ? 0 : count % 3 + 1) }

  package static func decode(_ input: Span<UInt8>) -> [UInt8]? {
    guard let count = decodedCount(input.count) else { return nil }
    let values = values
    let table = values.span
    var isValid = true
    let bytes = [UInt8](capacity: count) { output in
      var bits: UInt32 = 0
      var held = 0
      for index in input.indices {
        let value = table[Int(input[index])]
        guard value < 64 else { return isValid = false }
        bits = bits << 6 | UInt32(value)
        held += 6
        if held >= 8 {
          held -= 8
          output.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
        }
      }
      isValid = bits & ((1 << UInt32(held)) - 1) == 0
    }
    return isValid ? bytes : nil
  }

  package static func decode(_ input: [UInt8]) -> [UInt8]? { decode(input.span) }

  package static func append(_ input: [UInt8], to output: inout [UInt8]) { append(input.span, to: &output) }

  package static func append(_ input: Span<UInt8>, to output: inout [UInt8]) {
    let characters = alphabet.bytes
    output.append(addingCapacity: encodedCount(input.count)) { output in
      var read = 0
      while input.count - read >= 3 {
        let bits = Int(input[read]) << 16 | Int(input[read + 1]) << 8 | Int(input[read + 2])
        output.append(characters[bits >> 18])
        output.append(characters[bits >> 12 & 63])
        output.append(characters[bits >> 6 & 63])
        output.append(characters[bits & 63])
        read += 3
      }
      guard read < input.count else { return }
      let first = Int(input[read])
      output.append(characters[first >> 2])
      guard read + 1 < input.count else { return output.append(characters[first << 4 & 63]) }
      let second = Int(input[read + 1])
      output.append(characters[(first << 4 | second >> 4) & 63])
      output.append(characters[second << 2 & 63])
    }
  }

  package static func encode(_ input: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    append(input, to: &output)
    return output
  }

  private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

  /// The six bits that a character stands for; 255 for every other byte.
  private static let values: [UInt8] = (0...255).map { code in
    switch UInt8(code) {
    case 0x41...0x5a: UInt8(code) - 0x41
    case 0x61...0x7a: UInt8(code) - 0x61 + 26
    case 0x30...0x39: UInt8(code) - 0x30 + 52
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: 255
    }
  }
}
