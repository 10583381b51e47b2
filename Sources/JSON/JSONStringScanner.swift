import Bytes

/// Reads one string, from behind its opening quote to behind its closing one, and undoes its escapes.
struct JSONStringScanner {
  /// Behind the closing quote once `scan` has returned.
  private(set) var position: Int

  init(position: Int) { self.position = position }

  mutating func scan(_ input: Span<UInt8>) throws(JSONError) -> [UInt8] {
    let start = position
    // Most strings hold no escape and are taken whole.
    while position < input.count {
      let byte = input[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return Self.copy(input, start..<(position - 1))
      }
      if byte == UInt8(ascii: "\\") { break }
      try plain(byte, input)
    }
    var bytes = Self.copy(input, start..<position)
    while position < input.count {
      let byte = input[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return bytes
      }
      if byte == UInt8(ascii: "\\") {
        position += 1
        try escape(input, into: &bytes)
      } else {
        let first = position
        try plain(byte, input)
        for index in first..<position { bytes.append(input[index]) }
      }
    }
    throw JSONError(.unexpectedEnd, at: position)
  }

  private static func copy(_ input: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
    [UInt8](input.extracting(range))
  }

  /// Steps over one unescaped character.
  private mutating func plain(_ byte: UInt8, _ input: Span<UInt8>) throws(JSONError) {
    switch byte {
    case 0x20...0x7f:
      position += 1
    case 0...0x1f:
      throw JSONError(.controlCharacter, at: position)
    case 0xc2...0xdf:
      try continuation(input, length: 2, second: 0x80...0xbf)
    // The second byte's range is what excludes overlong forms, surrogates and scalars above U+10FFFF (RFC 3629 section 4).
    case 0xe0: try continuation(input, length: 3, second: 0xa0...0xbf)
    case 0xed: try continuation(input, length: 3, second: 0x80...0x9f)
    case 0xe1...0xef: try continuation(input, length: 3, second: 0x80...0xbf)
    case 0xf0: try continuation(input, length: 4, second: 0x90...0xbf)
    case 0xf1...0xf3: try continuation(input, length: 4, second: 0x80...0xbf)
    case 0xf4: try continuation(input, length: 4, second: 0x80...0x8f)
    default: throw JSONError(.invalidUTF8, at: position)
    }
  }

  private mutating func continuation(_ input: Span<UInt8>, length: Int, second: ClosedRange<UInt8>) throws(JSONError) {
    guard length <= input.count - position, second.contains(input[position + 1]) else {
      throw JSONError(.invalidUTF8, at: position)
    }
    for index in (position + 2)..<max(position + 2, position + length) where input[index] & 0xc0 != 0x80 {
      throw JSONError(.invalidUTF8, at: position)
    }
    position += length
  }

  /// Undoes one escape; `position` stands behind the backslash.
  private mutating func escape(_ input: Span<UInt8>, into bytes: inout [UInt8]) throws(JSONError) {
    guard position < input.count else { throw JSONError(.unexpectedEnd, at: position) }
    let kind = input[position]
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(kind)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0c)
    case UInt8(ascii: "n"): bytes.append(0x0a)
    case UInt8(ascii: "r"): bytes.append(0x0d)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"): try unicodeEscape(input, into: &bytes)
    default: throw JSONError(.invalidEscape, at: position - 1)
    }
  }

  private mutating func unicodeEscape(_ input: Span<UInt8>, into bytes: inout [UInt8]) throws(JSONError) {
    let start = position
    var scalar = try hexadecimal(input)
    switch scalar {
    case 0:
      throw JSONError(.nul, at: start)
    case 0xd800...0xdbff:
      guard input.count - position >= 2, input[position] == UInt8(ascii: "\\"), input[position + 1] == UInt8(ascii: "u") else {
        throw JSONError(.loneSurrogate, at: start)
      }
      position += 2
      let low = try hexadecimal(input)
      guard case 0xdc00...0xdfff = low else { throw JSONError(.loneSurrogate, at: start) }
      scalar = 0x10000 + (scalar - 0xd800) << 10 + (low - 0xdc00)
    case 0xdc00...0xdfff:
      throw JSONError(.loneSurrogate, at: start)
    default:
      break
    }
    guard let unicode = Unicode.Scalar(scalar), let encoded = UTF8.encode(unicode) else {
      throw JSONError(.loneSurrogate, at: start)
    }
    bytes.append(contentsOf: encoded)
  }

  private mutating func hexadecimal(_ input: Span<UInt8>) throws(JSONError) -> UInt32 {
    guard input.count - position >= 4 else { throw JSONError(.unexpectedEnd, at: input.count) }
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = input[position]
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt32(byte - 0x30)
      case 0x41...0x46, 0x61...0x66: value = value << 4 | UInt32((byte | 0x20) - 0x57)
      default: throw JSONError(.invalidEscape, at: position)
      }
      position += 1
    }
    return value
  }
}
