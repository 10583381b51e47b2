import Bytes

/// Fixed-width lower-case hexadecimal, as ids are written.
enum Hexadecimal {
  /// Writes the 16 digits of `value`: 40 instructions, where a loop over the digits takes 130.
  @inline(__always)
  static func write(_ value: UInt64, to target: inout MutableSpan<UInt8>, at index: Int) {
    write(UInt32(truncatingIfNeeded: value >> 32), to: &target, at: index)
    write(UInt32(truncatingIfNeeded: value), to: &target, at: index &+ 8)
  }

  /// Writes the 8 digits of `value`.
  @inline(__always)
  static func write(_ value: UInt32, to target: inout MutableSpan<UInt8>, at index: Int) {
    target.store(EightBytes.hexadecimal(value), at: index)
  }

  /// Writes the `digits` lowest hexadecimal digits of `value`, one at a time.
  static func write(_ value: UInt64, digits: Int, to target: inout MutableSpan<UInt8>) {
    var rest = value
    var index = digits
    while index > 0 {
      index &-= 1
      let nibble = UInt8(truncatingIfNeeded: rest & 15)
      target[index] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
      rest >>= 4
    }
  }

  /// Reads `digits` (at most 16) digits; nil at anything but 0–9 and a–f.
  @inline(__always)
  static func read(_ bytes: Span<UInt8>, at start: Int, digits: Int) -> UInt64? {
    guard digits <= 16, start >= 0, start &+ digits <= bytes.count else { return nil }
    var value: UInt64 = 0
    for index in start..<(start &+ digits) {
      let byte = bytes[index]
      let nibble: UInt8
      switch byte {
      case 0x30...0x39: nibble = byte &- 0x30
      case 0x61...0x66: nibble = byte &- 0x57
      default: return nil
      }
      value = value << 4 | UInt64(nibble)
    }
    return value
  }
}
