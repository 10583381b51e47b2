/// The text of an IPv6 address as it stands between brackets (RFC 3986 section 3.2.2); zones are refused.
enum IPv6Literal {
  static func isValid(_ text: Span<UInt8>) -> Bool {
    var groups = 0
    var isCompressed = false
    var index = 0
    if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
      isCompressed = true
      index = 2
      if index == text.count { return true }
    }
    while true {
      let start = index
      while index < text.count, isHexDigit(text[index]) { index += 1 }
      if index < text.count, text[index] == UInt8(ascii: ".") {
        guard isIPv4(text.extracting(start..<text.count)) else { return false }
        groups += 2
        break
      }
      guard index > start, index - start <= 4 else { return false }
      groups += 1
      guard groups <= 8 else { return false }
      if index == text.count { break }
      guard text[index] == UInt8(ascii: ":") else { return false }
      index += 1
      if index < text.count, text[index] == UInt8(ascii: ":") {
        if isCompressed { return false }
        isCompressed = true
        index += 1
        if index == text.count { break }
      }
    }
    // `::` stands for at least one group.
    return isCompressed ? groups <= 7 : groups == 8
  }

  /// Four decimal numbers below 256, without leading zeros.
  static func isIPv4(_ text: Span<UInt8>) -> Bool {
    var numbers = 0
    var index = 0
    while true {
      let start = index
      var value = 0
      while index < text.count, index - start < 3, text[index] &- 0x30 < 10 {
        value = value * 10 + Int(text[index] - 0x30)
        index += 1
      }
      guard index > start, value < 256, index - start == 1 || text[start] != 0x30 else { return false }
      numbers += 1
      if index == text.count { return numbers == 4 }
      guard text[index] == UInt8(ascii: "."), numbers < 4 else { return false }
      index += 1
    }
  }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6
  }
}
