import Bytes

/// The text of an IP address, read into its octets: nothing that only some readers take, no zones, no leading zeros in decimal.
package enum IPAddressText {
  /// The four octets of an IPv4 address; nil when `text` is none.
  package static func octets4(_ text: Span<UInt8>) -> [UInt8]? {
    guard IPv6Literal.isIPv4(text) else { return nil }
    var octets: [UInt8] = [0]
    for index in text.indices {
      if text[index] == UInt8(ascii: ".") {
        octets.append(0)
      } else {
        octets[octets.count - 1] = octets[octets.count - 1] &* 10 &+ (text[index] &- 0x30)
      }
    }
    return octets
  }

  /// The 16 octets of an IPv6 address; nil when `text` is none.
  package static func octets6(_ text: Span<UInt8>) -> [UInt8]? {
    guard IPv6Literal.isValid(text) else { return nil }
    // What stands before `::` and what stands behind it.
    var parts: [[UInt8]] = [[]]
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: ":") {
        index += 1
        if index < text.count, text[index] == UInt8(ascii: ":") { parts.append([]) }
        continue
      }
      let start = index
      while index < text.count, text[index] != UInt8(ascii: ":") { index += 1 }
      let group = text.extracting(start..<index)
      parts[parts.count - 1] += octets4(group) ?? hexadecimal(group)
    }
    guard parts.count == 2 else { return parts[0] }
    return parts[0] + [UInt8](repeating: 0, count: max(0, 16 - parts[0].count - parts[1].count)) + parts[1]
  }

  private static func hexadecimal(_ group: Span<UInt8>) -> [UInt8] {
    var value: UInt16 = 0
    for index in group.indices {
      let byte = group[index] | 0x20
      value = value << 4 | UInt16(byte < 0x3a ? byte &- 0x30 : byte &- 0x57)
    }
    return [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
  }
}
