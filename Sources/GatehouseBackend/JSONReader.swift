/// Where a text stops being the JSON that is read here, and why.
package struct JSONFailure: Error, Equatable {
  package let reason: String
  /// Bytes from the start of the text.
  package let position: Int
}

/// Reads JSON (RFC 8259) strictly.
///
/// Beyond the grammar it refuses what readers are known to disagree on: a byte-order mark, two members of the same name, invalid
/// UTF-8, half a surrogate pair, NUL, whole numbers beyond 64 bits, other numbers beyond 2^63, longer than 32 bytes or too small
/// to be held. Arrays and objects nest `depth` deep at most.
package struct JSONReader {
  private let input: [UInt8]
  private let depth: Int
  private var position = 0

  package static func read(_ input: [UInt8], depth: Int = 8) throws(JSONFailure) -> JSONValue {
    var reader = JSONReader(input: input, depth: depth)
    let value = try reader.value(level: 0)
    guard reader.next == nil else { throw reader.failure("something follows the value") }
    return value
  }

  private init(input: [UInt8], depth: Int) {
    self.input = input
    self.depth = depth
  }

  private func failure(_ reason: String) -> JSONFailure { JSONFailure(reason: reason, position: position) }

  private var byte: UInt8? { position < input.count ? input[position] : nil }

  /// The next byte that is no white space; `position` stands at it then.
  private var next: UInt8? {
    mutating get {
      while let byte, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
      return byte
    }
  }

  private mutating func take(_ wanted: UInt8) -> Bool {
    guard next == wanted else { return false }
    position += 1
    return true
  }

  private mutating func value(level: Int) throws(JSONFailure) -> JSONValue {
    switch next {
    case UInt8(ascii: "{"): return .object(try members(level: level + 1))
    case UInt8(ascii: "["): return .array(try elements(level: level + 1))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ text: String, _ value: JSONValue) throws(JSONFailure) -> JSONValue {
    guard input[position...].starts(with: text.utf8) else { throw failure("not JSON") }
    position += text.utf8.count
    return value
  }

  // MARK: Objects and arrays

  private mutating func members(level: Int) throws(JSONFailure) -> [JSONValue.Member] {
    try open(level)
    var members: [JSONValue.Member] = []
    var names: Set<[UInt8]> = []
    if take(UInt8(ascii: "}")) { return members }
    repeat {
      guard next == UInt8(ascii: "\"") else { throw failure("a member's name is missing") }
      let start = position
      let name = try string()
      guard names.insert(Array(name.utf8)).inserted else {
        throw JSONFailure(reason: "two members have the same name", position: start)
      }
      guard take(UInt8(ascii: ":")) else { throw failure("a colon is missing") }
      members.append(JSONValue.Member(name: name, value: try value(level: level)))
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw failure("an object does not end") }
    return members
  }

  private mutating func elements(level: Int) throws(JSONFailure) -> [JSONValue] {
    try open(level)
    var elements: [JSONValue] = []
    if take(UInt8(ascii: "]")) { return elements }
    repeat { elements.append(try value(level: level)) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw failure("an array does not end") }
    return elements
  }

  private mutating func open(_ level: Int) throws(JSONFailure) {
    guard level <= depth else { throw failure("nested more than \(depth) deep") }
    position += 1
  }

  // MARK: Numbers

  private mutating func number() throws(JSONFailure) -> JSONValue {
    let start = position
    if byte == UInt8(ascii: "-") { position += 1 }
    let whole = digits()
    guard !whole.isEmpty else { throw failure("not JSON") }
    guard whole.count == 1 || input[whole.lowerBound] != UInt8(ascii: "0") else { throw failure("a number begins with 0") }
    var mantissa = [whole]
    if byte == UInt8(ascii: ".") {
      position += 1
      mantissa.append(digits())
      guard !mantissa[1].isEmpty else { throw failure("a fraction has no digits") }
    }
    var isWhole = mantissa.count == 1
    if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      isWhole = false
      position += 1
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
      guard !digits().isEmpty else { throw failure("an exponent has no digits") }
    }
    let text = String(decoding: input[start..<position], as: UTF8.self)
    if isWhole {
      guard let value = Int64(text) else { throw JSONFailure(reason: "a number beyond 64 bits", position: start) }
      return .integer(value)
    }
    let isZero = mantissa.allSatisfy { input[$0].allSatisfy { $0 == UInt8(ascii: "0") } }
    guard position - start <= 32, let value = Double(text), value.magnitude <= 0x1p63, isZero || value != 0 else {
      throw JSONFailure(reason: "a number that cannot be held", position: start)
    }
    return .number(value)
  }

  private mutating func digits() -> Range<Int> {
    let start = position
    while let byte, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
    return start..<position
  }

  // MARK: Strings

  /// `position` stands at the opening quote, and afterwards behind the closing one.
  private mutating func string() throws(JSONFailure) -> String {
    let start = position
    position += 1
    var bytes: [UInt8] = []
    while let byte, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw failure("a control character in a string") }
      position += 1
      if byte == UInt8(ascii: "\\") { try escape(into: &bytes) } else { bytes.append(byte) }
    }
    guard byte != nil else { throw failure("a string does not end") }
    position += 1
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw JSONFailure(reason: "a string is not UTF-8", position: start)
    }
    return text
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(JSONFailure) {
    guard let kind = byte else { throw failure("a string does not end") }
    position += 1
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(kind)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "n"): bytes.append(0x0a)
    case UInt8(ascii: "f"): bytes.append(0x0c)
    case UInt8(ascii: "r"): bytes.append(0x0d)
    case UInt8(ascii: "u"):
      var unit = try codeUnit()
      if unit & 0xfc00 == 0xd800, byte == UInt8(ascii: "\\") {
        position += 1
        guard byte == UInt8(ascii: "u") else { throw failure("half a surrogate pair") }
        position += 1
        let low = try codeUnit()
        guard low & 0xfc00 == 0xdc00 else { throw failure("half a surrogate pair") }
        unit = 0x10000 + (unit & 0x3ff) << 10 + low & 0x3ff
      }
      // No scalar is a surrogate.
      guard let scalar = Unicode.Scalar(unit), unit != 0 else { throw failure("an escape that stands for no character") }
      bytes.append(contentsOf: Character(scalar).utf8)
    default: throw failure("an unknown escape")
    }
  }

  private mutating func codeUnit() throws(JSONFailure) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = byte.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw failure("four hexadecimal digits are missing")
      }
      unit = unit << 4 | UInt32(digit)
      position += 1
    }
    return unit
  }
}
