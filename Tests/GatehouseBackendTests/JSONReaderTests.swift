import JSON
import Testing

@testable import GatehouseBackend

/// The gateway writes what this reads, so its own reader is the measure.
@Suite("The library reads JSON exactly as the gateway does")
struct JSONReaderTests {
  static let texts: [String] = [
    "", " ", "{}", "[]", " { } ", "[ ]", "null", "true", "false", "nul", "truex", "nullnull", "0", "-0", "1", "-1", "00", "01",
    "-01",
    "+1", ".5", "5.", "1.", "1.0", "1.50", "-0.0", "0e0", "1e2", "1E+2", "1e-2", "1e", "1e+", "0.0000000000000000000000000000001",
    "0.00000000000000000000000000000001", "1e-400", "0e-400", "1e400", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "-9223372036854775809", "9.3e18", "9223372036854775808.0", "9223372036854775809.0", "1e18", "1e19",
    "\"\"", "\"a\"", "\"a", "\"\\\"", "\"\\\"\"", "\"\\u0041\"", "\"\\u0000\"", "\"\\u00e9\"", "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ud83dx\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\"", "\"\\uD83D\\uDE00\"", "\"\\u00E\"", "\"\\x\"",
    "\"\\",
    "\"\\b\\f\\n\\r\\t\\/\"", "\"\u{7f}\"", "\"\u{1}\"", "\"\n\"", "\"é😀\"", "[1,2]", "[1,]", "[,1]", "[1 2]", "[1", "[1,2",
    "{\"a\":1}", "{\"a\":1,}", "{\"a\" : 1 , \"b\" : [ ] }", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}",
    "{\"K\":1,\"\u{212a}\":2}", "{\"é\":1,\"e\u{301}\":2}", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1 \"b\":2}", "{,}",
    "{\"a\":1", "{'a':1}",
    "\u{feff}{}", "{}\u{0}", "{} {}", "// x\n{}", "[[[[[[[[]]]]]]]]", "[[[[[[[[[]]]]]]]]]",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}",
    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", "NaN", "Infinity", "\u{a0}1", "\t\n\r 1",
  ]

  @Test("text by text", arguments: texts)
  func agreement(text: String) { Self.compare(Array(text.utf8)) }

  @Test("bytes that are no text")
  func bytes() {
    for bytes: [UInt8] in [
      [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xed, 0xa0, 0x80], [0xed, 0x9f, 0xbf], [0xe0, 0x80, 0x80], [0xe0, 0xa0, 0x80],
      [0xf0, 0x80, 0x80, 0x80],
      [0xf4, 0x90, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf], [0xf5, 0x80, 0x80, 0x80], [0xc3], [0xe2, 0x82], [0xff], [0x00], [0x1f],
      [0xef, 0xbf, 0xbe],
    ] { Self.compare([0x22] + bytes + [0x22]) }
  }

  @Test("and what mutations make of them")
  func mutations() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array("{}[]\",:\\u0123456789abcdefE+-. ntrlsé\u{0}".utf8)
    for _ in 0..<20_000 {
      var bytes = Array((Self.texts.randomElement(using: &random) ?? "").utf8)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0...bytes.count, using: &random)
        let byte = alphabet.randomElement(using: &random) ?? 0
        if at < bytes.count, Bool.random(using: &random) { bytes[at] = byte } else { bytes.insert(byte, at: at) }
      }
      Self.compare(bytes)
    }
  }

  private static func compare(_ bytes: [UInt8]) {
    let expected = try? JSONParser.parse(bytes, limits: JSONLimits(size: 1 << 20))
    let found = try? JSONReader.read(bytes)
    #expect(found == expected.map(value), "\(String(decoding: bytes, as: UTF8.self))")
  }

  private static func value(_ value: JSON.JSONValue) -> GatehouseBackend.JSONValue {
    switch value {
    case .object(let members):
      .object(members.map { .init(name: String(decoding: $0.name, as: UTF8.self), value: Self.value($0.value)) })
    case .array(let elements): .array(elements.map(Self.value))
    case .string(let bytes): .string(String(decoding: bytes, as: UTF8.self))
    case .integer(let value): .integer(value)
    case .number(let value): .number(value)
    case .boolean(let value): .boolean(value)
    case .null: .null
    }
  }
}
