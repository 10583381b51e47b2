/// Which bytes a token may hold (RFC 9110 section 5.6.2), as two words of bits: no table to fetch, nothing to initialise.
@usableFromInline package enum TokenByte {
  /// Bits for `!#$%&'*+-.` and the digits.
  @inlinable static var low: UInt64 { 0x03ff_6cfa_0000_0000 }
  /// Bits for the letters and ``^_`|~``.
  @inlinable static var high: UInt64 { 0x57ff_ffff_c7ff_fffe }

  @inlinable @inline(__always)
  package static func contains(_ byte: UInt8) -> Bool {
    guard byte < 128 else { return false }
    return ((byte < 64 ? low : high) >> UInt64(byte & 63)) & 1 != 0
  }

  /// Whether `bytes` is a token: at least one byte, and each of them allowed.
  package static func isToken(_ bytes: Span<UInt8>) -> Bool {
    guard !bytes.isEmpty else { return false }
    for index in bytes.indices where !contains(bytes[index]) { return false }
    return true
  }
}
