import Bytes

/// `application/x-www-form-urlencoded` content.
package enum FormContent {
  /// The one value of the field `name`, decoded. Nil when there is none, more than one, an empty one, or a percent-escape that is
  /// none.
  package static func value(of name: StaticString, in form: [UInt8]) -> [UInt8]? {
    var found: [UInt8]?
    for pair in form.split(separator: UInt8(ascii: "&")) {
      let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      // A name that is spelled with escapes is the same name, so that two readers find the same value.
      guard let field = decoded(parts[0]), field.span.equals(name.bytes) else { continue }
      guard found == nil, parts.count == 2, let value = decoded(parts[1]), !value.isEmpty else { return nil }
      found = value
    }
    return found
  }

  private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var index = text.startIndex
    while index < text.endIndex {
      if text[index] == UInt8(ascii: "%") {
        guard index + 2 < text.endIndex, let high = digit(text[index + 1]), let low = digit(text[index + 2]) else { return nil }
        bytes.append(high << 4 | low)
        index += 3
      } else {
        bytes.append(text[index] == UInt8(ascii: "+") ? 0x20 : text[index])
        index += 1
      }
    }
    return bytes
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
