/// Looks in a field section for a value that is long, Huffman-coded, and not to be kept in HPACK's table (RFC 7541 section 6.2): as
/// nghttp2, curl and Firefox send `authorization`, again with each request.
package enum LongValue {
  /// Octets of coded content: below, finding it costs what decoding it does.
  package static let shortest = 64
  /// Above, it is not worth its memory.
  package static let longest = 4096

  /// - Returns: where the first such value's string stands (RFC 7541 section 5.2), its length included; nil as well when the
  ///   section is not in order, which is for nghttp2 to say.
  package static func find(in section: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
    var index = 0
    while index < section.count {
      let first = section[index]
      if first & 0x80 != 0 {
        guard skipInteger(section, &index, prefix: 0x7f) != nil else { return nil }
        continue
      }
      if first & 0xe0 == 0x20 {
        guard skipInteger(section, &index, prefix: 0x1f) != nil else { return nil }
        continue
      }
      let isIndexed = first & 0x40 != 0
      guard let name = skipInteger(section, &index, prefix: isIndexed ? 0x3f : 0x0f) else { return nil }
      if name == 0, skipString(section, &index) == nil { return nil }
      let start = index
      guard let length = skipString(section, &index) else { return nil }
      if !isIndexed, section[start] & 0x80 != 0, length >= shortest, length <= longest { return start..<index }
    }
    return nil
  }

  /// Appends the string that says `content` without Huffman coding.
  static func string(_ content: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
    if content.count < 0x7f {
      out.append(UInt8(content.count))
    } else {
      out.append(0x7f)
      var rest = content.count &- 0x7f
      while rest >= 0x80 {
        out.append(UInt8(rest & 0x7f) | 0x80)
        rest >>= 7
      }
      out.append(UInt8(rest))
    }
    out.append(contentsOf: content)
  }

  /// Goes behind a string and gives the octets of its content; nil when it does not end here.
  private static func skipString(_ section: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Int? {
    guard let length = skipInteger(section, &index, prefix: 0x7f), length <= section.count &- index else { return nil }
    index &+= length
    return length
  }

  /// Goes behind an integer (RFC 7541 section 5.1) and gives it; nil when it does not end here or is larger than anything that fits
  /// into a frame.
  private static func skipInteger(_ section: UnsafeBufferPointer<UInt8>, _ index: inout Int, prefix: UInt8) -> Int? {
    guard index < section.count else { return nil }
    var value = Int(section[index] & prefix)
    index &+= 1
    if value < Int(prefix) { return value }
    var shift = 0
    while index < section.count, shift <= 21 {
      let byte = section[index]
      index &+= 1
      value &+= Int(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return value }
      shift &+= 7
    }
    return nil
  }
}
