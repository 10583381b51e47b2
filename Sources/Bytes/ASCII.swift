/// Byte classes and comparisons for protocol text, which is ASCII whatever the locale.
@usableFromInline package enum ASCII {
  /// `byte` in lower case when it is A–Z, else as it is.
  @inlinable package static func lower(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }

  /// For each byte: 0 when it is no `tchar` (RFC 9110 section 5.6.2), else the byte in lower case.
  package static let token: [UInt8] = (0...255).map { value in
    let byte = UInt8(value)
    switch byte {
    case 0x30...0x39, 0x61...0x7a: return byte
    case 0x41...0x5a: return byte | 0x20
    case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: return byte
    default: return 0
    }
  }

  /// Whether `bytes` is `lowercase`, ignoring the case of A–Z. `lowercase` must hold no upper-case letter.
  @inlinable package static func equalIgnoringCase(_ bytes: UnsafeBufferPointer<UInt8>, _ lowercase: StaticString) -> Bool {
    // The caller's word is that they are there.
    unsafe bytes.span.equalsIgnoringCase(lowercase)
  }

  /// `bytes` without spaces and tabs at either end.
  package static func trimmed(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    // What is cut off is looked at first: it stays inside.
    unsafe UnsafeBufferPointer(rebasing: bytes[bytes.span.trimmedRange])
  }

  /// Whether `bytes` is exactly `text`.
  @inlinable package static func equal(_ bytes: UnsafeBufferPointer<UInt8>, _ text: StaticString) -> Bool {
    // The caller's word is that they are there.
    unsafe bytes.span.equals(text)
  }
}
