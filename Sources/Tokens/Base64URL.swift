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

  /// Decodes `input` into the front of `output`.
  ///
  /// - Returns: the bytes written; nil when the text is not base64url or `output` is too small. `output` is then undefined.
  package static func decode(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Int? {
    guard let count = decodedCount(input.count), count <= output.count else { return nil }
    return values.withUnsafeBufferPointer { values in
      var written = 0
      var bits: UInt32 = 0
      var held = 0
      for byte in input {
        let value = values[Int(byte)]
        guard value < 64 else { return nil }
        bits = bits << 6 | UInt32(value)
        held += 6
        if held >= 8 {
          held -= 8
          output[written] = UInt8(truncatingIfNeeded: bits >> UInt32(held))
          written += 1
        }
      }
      guard bits & ((1 << UInt32(held)) - 1) == 0 else { return nil }
      return written
    }
  }

  package static func decode(_ input: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard let count = decodedCount(input.count) else { return nil }
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      if let decoded = decode(input, into: buffer) { written = decoded } else { failed = true }
    }
    return failed ? nil : bytes
  }

  package static func decode(_ input: [UInt8]) -> [UInt8]? { input.withUnsafeBufferPointer { decode($0) } }

  package static func append(_ input: [UInt8], to output: inout [UInt8]) {
    input.withUnsafeBufferPointer { append($0, to: &output) }
  }

  package static func append(_ input: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: encodedCount(input.count)) { text in
      encode(input, into: text)
      output.append(contentsOf: text)
    }
  }

  package static func encode(_ input: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    append(input, to: &output)
    return output
  }

  /// - Parameter output: as long as the text is.
  private static func encode(_ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) {
    let characters = alphabet.utf8Start
    var read = 0
    var written = 0
    while input.count - read >= 3 {
      let bits = Int(input[read]) << 16 | Int(input[read + 1]) << 8 | Int(input[read + 2])
      output[written] = characters[bits >> 18]
      output[written + 1] = characters[bits >> 12 & 63]
      output[written + 2] = characters[bits >> 6 & 63]
      output[written + 3] = characters[bits & 63]
      read += 3
      written += 4
    }
    guard read < input.count else { return }
    let first = Int(input[read])
    output[written] = characters[first >> 2]
    guard read + 1 < input.count else { return output[written + 1] = characters[first << 4 & 63] }
    let second = Int(input[read + 1])
    output[written + 1] = characters[(first << 4 | second >> 4) & 63]
    output[written + 2] = characters[second << 2 & 63]
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
