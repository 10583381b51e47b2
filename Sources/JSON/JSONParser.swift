import Bytes

/// Reads a JSON text (RFC 8259) strictly, so that no two readers can disagree on what it says.
///
/// Beyond the grammar it refuses: a byte-order mark; members of one object with the same name, compared after unescaping;
/// invalid UTF-8 and lone surrogates; NUL in a string, where C readers would stop; whole numbers beyond `Int64`; numbers with a
/// fraction or an exponent that are longer than 32 bytes, larger than 2^63 or too small to hold. Recursion is bounded by
/// `JSONLimits.depth`, and the work is linear in the size.
package struct JSONParser {
  private var position = 0
  private let limits: JSONLimits

  private init(limits: JSONLimits) { self.limits = limits }

  /// The one value that `input` holds, with white space around it allowed.
  package static func parse(_ input: Span<UInt8>, limits: JSONLimits) throws(JSONError) -> JSONValue {
    guard input.count <= limits.size else { throw JSONError(.tooLarge, at: limits.size) }
    var parser = JSONParser(limits: limits)
    parser.skipWhitespace(input)
    let value = try parser.value(input, depth: 0)
    parser.skipWhitespace(input)
    guard parser.position == input.count else { throw JSONError(.trailingBytes, at: parser.position) }
    return value
  }

  package static func parse(_ input: [UInt8], limits: JSONLimits) throws(JSONError) -> JSONValue {
    try parse(input.span, limits: limits)
  }

  /// A document of its own, as files and servers have them: a byte-order mark before it says nothing (RFC 8259 section 8.1 leaves that to
  /// the reader). Nothing that is signed is read so.
  package static func parse(document: [UInt8], limits: JSONLimits) throws(JSONError) -> JSONValue {
    try parse(document.starts(with: [0xef, 0xbb, 0xbf]) ? Array(document.dropFirst(3)) : document, limits: limits)
  }

  // MARK: Values

  private mutating func value(_ input: Span<UInt8>, depth: Int) throws(JSONError) -> JSONValue {
    switch try peek(input) {
    case UInt8(ascii: "{"): return try object(input, depth: depth + 1)
    case UInt8(ascii: "["): return try array(input, depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try string(input))
    case UInt8(ascii: "-"), 0x30...0x39: return try number(input)
    case UInt8(ascii: "t"):
      try literal("true", input)
      return .boolean(true)
    case UInt8(ascii: "f"):
      try literal("false", input)
      return .boolean(false)
    case UInt8(ascii: "n"):
      try literal("null", input)
      return .null
    default: throw JSONError(.unexpectedByte, at: position)
    }
  }

  private mutating func object(_ input: Span<UInt8>, depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= limits.depth else { throw JSONError(.tooDeep, at: position) }
    position += 1
    var members: [JSONMember] = []
    // Few members are compared with each other; from the 17th on a set keeps the work linear. Its hash is seeded by the
    // standard library, so that names cannot be chosen to collide.
    var names: Set<[UInt8]> = []
    skipWhitespace(input)
    if try peek(input) == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    while true {
      let start = position
      guard try peek(input) == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: position) }
      let name = try string(input)
      if members.count < 16 {
        for member in members where member.name == name { throw JSONError(.duplicateMember, at: start) }
      } else {
        if names.isEmpty { for member in members { names.insert(member.name) } }
        guard names.insert(name).inserted else { throw JSONError(.duplicateMember, at: start) }
      }
      skipWhitespace(input)
      try expect(UInt8(ascii: ":"), input)
      skipWhitespace(input)
      members.append(JSONMember(name: name, value: try value(input, depth: depth)))
      skipWhitespace(input)
      if try peek(input) == UInt8(ascii: "}") { break }
      try expect(UInt8(ascii: ","), input)
      skipWhitespace(input)
    }
    position += 1
    return .object(members)
  }

  private mutating func array(_ input: Span<UInt8>, depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= limits.depth else { throw JSONError(.tooDeep, at: position) }
    position += 1
    var elements: [JSONValue] = []
    skipWhitespace(input)
    if try peek(input) == UInt8(ascii: "]") {
      position += 1
      return .array(elements)
    }
    while true {
      elements.append(try value(input, depth: depth))
      skipWhitespace(input)
      if try peek(input) == UInt8(ascii: "]") { break }
      try expect(UInt8(ascii: ","), input)
      skipWhitespace(input)
    }
    position += 1
    return .array(elements)
  }

  // MARK: Numbers

  private mutating func number(_ input: Span<UInt8>) throws(JSONError) -> JSONValue {
    let start = position
    let negative = input[position] == UInt8(ascii: "-")
    if negative { position += 1 }
    let firstDigit = position
    // Counted down from zero, because Int64.min has no positive counterpart.
    var value: Int64 = 0
    var overflowed = false
    var significant = false
    while position < input.count, let digit = Self.digit(input[position]) {
      let (product, multiplied) = value.multipliedReportingOverflow(by: 10)
      let (difference, subtracted) = product.subtractingReportingOverflow(Int64(digit))
      overflowed = overflowed || multiplied || subtracted
      significant = significant || digit != 0
      value = difference
      position += 1
    }
    guard position > firstDigit else { throw unexpected(input) }
    if input[firstDigit] == 0x30, position - firstDigit > 1 { throw JSONError(.unexpectedByte, at: firstDigit + 1) }

    var whole = true
    if position < input.count, input[position] == UInt8(ascii: ".") {
      whole = false
      position += 1
      let first = position
      while position < input.count, let digit = Self.digit(input[position]) {
        significant = significant || digit != 0
        position += 1
      }
      guard position > first else { throw unexpected(input) }
    }
    if position < input.count, input[position] | 0x20 == UInt8(ascii: "e") {
      whole = false
      position += 1
      if position < input.count, input[position] == UInt8(ascii: "+") || input[position] == UInt8(ascii: "-") { position += 1 }
      let first = position
      while position < input.count, Self.digit(input[position]) != nil { position += 1 }
      guard position > first else { throw unexpected(input) }
    }

    if whole {
      guard !overflowed, negative || value != .min else { throw JSONError(.numberOutOfRange, at: start) }
      return .integer(negative ? value : -value)
    }
    guard position - start <= 32 else { throw JSONError(.numberOutOfRange, at: start) }
    let text = String(decoding: (start..<position).map { input[$0] }, as: UTF8.self)
    guard let number = Double(text), number.isFinite, number.magnitude <= 0x1p63, number != 0 || !significant else {
      throw JSONError(.numberOutOfRange, at: start)
    }
    return .number(number)
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    let digit = byte &- 0x30
    return digit < 10 ? digit : nil
  }

  // MARK: Small steps

  private func peek(_ input: Span<UInt8>) throws(JSONError) -> UInt8 {
    guard position < input.count else { throw JSONError(.unexpectedEnd, at: position) }
    return input[position]
  }

  private mutating func expect(_ byte: UInt8, _ input: Span<UInt8>) throws(JSONError) {
    guard try peek(input) == byte else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
  }

  private mutating func literal(_ text: StaticString, _ input: Span<UInt8>) throws(JSONError) {
    let text = text.bytes
    for index in text.indices { try expect(text[index], input) }
  }

  private mutating func skipWhitespace(_ input: Span<UInt8>) {
    while position < input.count {
      switch input[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }

  private func unexpected(_ input: Span<UInt8>) -> JSONError {
    JSONError(position < input.count ? .unexpectedByte : .unexpectedEnd, at: position)
  }

  private mutating func string(_ input: Span<UInt8>) throws(JSONError) -> [UInt8] {
    var scanner = JSONStringScanner(position: position + 1)
    let bytes = try scanner.scan(input)
    position = scanner.position
    return bytes
  }
}
