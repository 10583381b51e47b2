import JSON
import Testing

private func parse(_ text: String, depth: Int = 8) throws(JSONError) -> JSONValue {
  try JSONParser.parse(Array(text.utf8), limits: JSONLimits(depth: depth, size: 4096))
}

private func reason(_ bytes: [UInt8]) -> JSONError.Reason? {
  do throws(JSONError) {
    _ = try JSONParser.parse(bytes, limits: JSONLimits(size: 4096))
    return nil
  } catch { return error.reason }
}

@Suite("A JSON text is read in one way or refused")
struct JSONParserTests {
  @Test(
    "values of each kind are read exactly",
    arguments: [
      ("null", JSONValue.null), (" true ", .boolean(true)), ("\n\tfalse\r", .boolean(false)),
      ("0", .integer(0)), ("-0", .integer(0)), ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
      ("1.5", .number(1.5)), ("-1.25e2", .number(-125)), ("1E+2", .number(100)), ("0e0", .number(0)), ("0.000", .number(0)),
      ("9.2e18", .number(9.2e18)), (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"),
      (#""\u0041\u00e9\u20ac\ud83d\ude00""#, "A\u{e9}\u{20ac}\u{1f600}"),
      ("\"\u{7f}\u{e9}\u{20ac}\u{1f600}\u{10ffff}\"", "\u{7f}\u{e9}\u{20ac}\u{1f600}\u{10ffff}"),
      ("[]", .array([])), ("{}", .object([])), ("[1, [2]]", .array([.integer(1), .array([.integer(2)])])),
      (
        #"{"b":1,"a":{"b":2}}"#,
        .object([JSONMember("b", .integer(1)), JSONMember("a", .object([JSONMember("b", .integer(2))]))])
      ),
    ])
  func values(text: String, expected: JSONValue) throws {
    #expect(try parse(text) == expected)
  }

  @Test(
    "what is not JSON, or JSON with two readings, is refused for its reason",
    arguments: [
      ("", JSONError.Reason.unexpectedEnd), (" ", .unexpectedEnd), ("nul", .unexpectedEnd), ("nulL", .unexpectedByte),
      ("True", .unexpectedByte), ("'a'", .unexpectedByte), ("NaN", .unexpectedByte), ("Infinity", .unexpectedByte),
      ("1 2", .trailingBytes), ("{}x", .trailingBytes), ("{}\0", .trailingBytes), ("[1,]", .unexpectedByte),
      ("[,1]", .unexpectedByte), ("[1", .unexpectedEnd), ("[1 2]", .unexpectedByte), (#"{"a":1,}"#, .unexpectedByte),
      (#"{"a"}"#, .unexpectedByte), ("{a:1}", .unexpectedByte), ("{1:1}", .unexpectedByte), (#"{"a":1"#, .unexpectedEnd),
      ("/**/1", .unexpectedByte), ("\u{feff}1", .unexpectedByte), ("\u{a0}1", .unexpectedByte),
      ("01", .unexpectedByte), ("-01", .unexpectedByte), ("00", .unexpectedByte), ("+1", .unexpectedByte), ("-", .unexpectedEnd),
      ("-a", .unexpectedByte), (".5", .unexpectedByte), ("1.", .unexpectedEnd), ("1.e1", .unexpectedByte), ("1e", .unexpectedEnd),
      ("1e+", .unexpectedEnd), ("0x10", .trailingBytes), ("1e1.5", .trailingBytes),
      ("9223372036854775808", .numberOutOfRange), ("-9223372036854775809", .numberOutOfRange),
      ("99999999999999999999999999999999999999", .numberOutOfRange), ("1e1000000", .numberOutOfRange),
      ("1e400", .numberOutOfRange), ("1e19", .numberOutOfRange), ("1e-1000000", .numberOutOfRange), ("1e-400", .numberOutOfRange),
      ("0.1234567890123456789012345678901234567890", .numberOutOfRange),
      (#""a"#, .unexpectedEnd), (#""\"#, .unexpectedEnd), (#""\x""#, .invalidEscape), (#""\U0041""#, .invalidEscape),
      (#""\u12"#, .unexpectedEnd), (#""\u12g4""#, .invalidEscape), ("\"a\nb\"", .controlCharacter),
      ("\"\u{1f}\"", .controlCharacter),
      ("\"\0\"", .controlCharacter), (#""\u0000""#, .nul), (#""\ud83d""#, .loneSurrogate), (#""\ude00""#, .loneSurrogate),
      (#""\ud83d\u0041""#, .loneSurrogate), (#""\ud83dx\ude00""#, .loneSurrogate), (#""\ud83d\ud83d""#, .loneSurrogate),
      (#"{"a":1,"a":1}"#, .duplicateMember), (#"{"a":1,"\u0061":2}"#, .duplicateMember),
      (#"[{"x":{"a":1,"b":2,"a":3}}]"#, .duplicateMember), (#"{"":1,"":2}"#, .duplicateMember),
    ])
  func refusals(text: String, expected: JSONError.Reason) {
    #expect(reason(Array(text.utf8)) == expected)
  }

  @Test(
    "bytes that are not UTF-8 are refused",
    arguments: [
      [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xc3, 0x28], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf], [0xe2, 0x82],
      [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0x80], [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80, 0x80, 0x80], [0xff], [0xfe], [0xe2, 0x28, 0xa1], [0xf0, 0x9f, 0x98, 0x28],
    ] as [[UInt8]])
  func invalidUTF8(bytes: [UInt8]) {
    #expect(reason([0x22] + bytes + [0x22]) == .invalidUTF8)
    #expect(reason(Array(#"{"\n"#.utf8) + bytes + [0x22]) == .invalidUTF8)
    #expect(reason([0x22] + bytes) == .invalidUTF8)
  }

  @Test("depth eight is read and depth nine is not")
  func depth() throws {
    _ = try parse(String(repeating: "[", count: 8) + String(repeating: "]", count: 8))
    _ = try parse(String(repeating: #"{"a":"#, count: 8) + "1" + String(repeating: "}", count: 8))
    #expect(reason(Array((String(repeating: "[", count: 9) + String(repeating: "]", count: 9)).utf8)) == .tooDeep)
    #expect(reason(Array(String(repeating: "[", count: 4000).utf8)) == .tooDeep)
    _ = try parse("[[[[]]],[[[]]]]")
  }

  @Test("a text above the size is refused before it is read")
  func size() {
    #expect(throws: JSONError(.tooLarge, at: 4)) { try JSONParser.parse(Array("12345".utf8), limits: JSONLimits(size: 4)) }
    #expect(throws: Never.self) { try JSONParser.parse(Array("1234".utf8), limits: JSONLimits(size: 4)) }
  }

  @Test("duplicates are found among many members", arguments: [2, 15, 16, 17, 18, 200])
  func manyMembers(count: Int) throws {
    let members = (0..<count).map { "\"m\($0)\":\($0)" }
    #expect(try parse("{" + members.joined(separator: ",") + "}").members?.count == count)
    for repeated in [0, count / 2, count - 1] {
      #expect(reason(Array(("{" + (members + ["\"m\(repeated)\":0"]).joined(separator: ",") + "}").utf8)) == .duplicateMember)
    }
  }

  @Test("no prefix of a text is a text, and no byte changed makes it trap")
  func prefixesAndMutations() {
    let text = Array(#"{"a":[1,-2.5e1,"x\u00e9\ud83d\ude00é"],"b":{"c":null,"d":[true,false]}}"#.utf8)
    for count in 0..<text.count { #expect(reason(Array(text[..<count])) != nil) }
    for index in text.indices {
      for byte in UInt8.min...UInt8.max {
        var changed = text
        changed[index] = byte
        _ = reason(changed)
      }
    }
  }
}

@Suite("Claim paths name one place or none")
struct ClaimPathTests {
  @Test(
    "paths",
    arguments: [
      ("sub", "1"), ("realm_access.roles", "[\"a\"]"), ("https://example.com/roles", "2"), ("https://example.com/app.role", "3"),
      ("a.b.c", nil), ("a.b.d", "4"), ("a.x", nil), ("app.https://example.com/x", "5"), ("", nil), (".", nil), ("sub.x", nil),
      ("realm_access.", nil), ("realm_access", "{\"roles\":[\"a\"]}"), ("realm_access.roles.0", nil),
    ] as [(String, String?)])
  func lookup(path: String, expected: String?) throws {
    let claims = try parse(
      #"""
      {"sub":1,"realm_access":{"roles":["a"]},"https://example.com/roles":2,"https://example.com/app":{"role":3},
       "a":{"b":{"c":9}},"a.b":{"d":4},"app":{"https://example.com/x":5}}
      """#)
    #expect(claims.value(at: path).map { String(decoding: JSONWriter.bytes($0), as: UTF8.self) } == expected)
  }

  @Test("names that only look alike are different names")
  func canonicalEquivalence() throws {
    let claims = try parse("{\"\u{e9}\":1}")
    #expect(claims.member("\u{e9}" as String) == .integer(1))
    #expect(claims.member("e\u{301}" as String) == nil)
    #expect(JSONValue(text: "\u{e9}") != JSONValue(text: "e\u{301}"))
  }

  @Test("a date with a fraction is read as the second it is in")
  func flooredInteger() {
    #expect(JSONValue.number(1.9).flooredInteger == 1)
    #expect(JSONValue.number(-1.1).flooredInteger == -2)
    #expect(JSONValue.integer(.max).flooredInteger == .max)
    #expect(JSONValue.number(0x1p63).flooredInteger == nil)
    #expect(JSONValue.string(Array("1".utf8)).flooredInteger == nil)
  }
}
