/// Base64url without padding (RFC 7515 section 2), read strictly, so that each byte string has exactly one spelling: no `=`, no
/// white space, no `+` or `/`, and no bits set that the text has no byte for.
package enum Base64URL {
  /// The bytes that `text` spells; nil when it is not base64url.
  package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    // One character over a multiple of four stands for six bits, which is no byte.
    guard text.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count * 3 / 4)
    var window: UInt32 = 0
    var bits = 0
    for character in text {
      guard let value = value(of: character) else { return nil }
      window = window << 6 | value
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: window >> UInt32(bits)))
      }
    }
    let left = window & (1 << UInt32(bits) - 1)
    return left == 0 ? bytes : nil
  }

  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) + 4
    case UInt8(ascii: "-"): 62
    case UInt8(ascii: "_"): 63
    default: nil
    }
  }
}
