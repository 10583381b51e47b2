import Bytes

/// Writing strings that came from outside into one line of JSON.
enum JSONText {
  /// Appends `bytes` between quotes, harmless: controls, DEL and the C1 controls, line and paragraph separators, and the
  /// marks that turn the direction of text become `\u` escapes, bytes that are not UTF-8 become `\ufffd`. Other UTF-8 stays.
  static func appendQuoted(_ bytes: Span<UInt8>, to queue: inout ByteQueue) {
    queue.append(0x22)
    var start = 0
    var index = 0
    while true {
      index = ByteScan.firstEscaped(bytes, from: index)
      guard index < bytes.count else { break }
      let byte = bytes[index]
      let (count, scalar) = byte < 0x80 ? (1, UInt32(byte)) : decode(bytes, at: index)
      if isHarmless(scalar) {
        index &+= count
        continue
      }
      queue.append(bytes.extracting(start..<index))
      appendEscape(scalar, to: &queue)
      index &+= count
      start = index
    }
    queue.append(bytes.extracting(start...))
    queue.append(0x22)
  }

  /// The scalar that begins at `index` and its bytes; one byte and U+FFFD's stand-in `invalid` where there is none.
  private static func decode(_ bytes: Span<UInt8>, at index: Int) -> (count: Int, scalar: UInt32) {
    let first = bytes[index]
    // RFC 3629 section 4: the second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF.
    let count: Int
    var low: UInt8 = 0x80
    var high: UInt8 = 0xbf
    var scalar: UInt32
    switch first {
    case 0xc2...0xdf: (count, scalar) = (2, UInt32(first & 0x1f))
    case 0xe0...0xef:
      (count, scalar) = (3, UInt32(first & 0x0f))
      if first == 0xe0 { low = 0xa0 }
      if first == 0xed { high = 0x9f }
    case 0xf0...0xf4:
      (count, scalar) = (4, UInt32(first & 0x07))
      if first == 0xf0 { low = 0x90 }
      if first == 0xf4 { high = 0x8f }
    default: return (1, invalid)
    }
    guard index &+ count <= bytes.count else { return (1, invalid) }
    for offset in 1..<count {
      let byte = bytes[index &+ offset]
      guard byte >= low && byte <= high else { return (1, invalid) }
      scalar = scalar << 6 | UInt32(byte & 0x3f)
      low = 0x80
      high = 0xbf
    }
    return (count, scalar)
  }

  /// No scalar has this value.
  private static let invalid: UInt32 = 0xffff_ffff

  private static func isHarmless(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x20, 0x21, 0x23...0x5b, 0x5d...0x7e: return true
    case 0...0x9f, 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff, invalid: return false
    default: return true
    }
  }

  private static func appendEscape(_ scalar: UInt32, to queue: inout ByteQueue) {
    switch scalar {
    case 0x22: queue.append("\\\"")
    case 0x5c: queue.append("\\\\")
    case 0x0a: queue.append("\\n")
    case 0x0d: queue.append("\\r")
    case 0x09: queue.append("\\t")
    case invalid: queue.append("\\ufffd")
    default:
      // All that are escaped lie below U+10000.
      queue.append("\\u")
      queue.append(count: 4) { Hexadecimal.write(UInt64(scalar), digits: 4, to: &$0) }
    }
  }
}
