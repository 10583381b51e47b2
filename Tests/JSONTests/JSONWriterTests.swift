import Bytes
import JSON
import Testing

@Suite("The writer's text is compact and reads back as the same value")
struct JSONWriterTests {
  @Test(
    "round trips",
    arguments: [
      #"{"a":[1,-2,null,true,false,{}],"b":"x"}"#, #""\"\\\u000a\u0001\u007f""#, "\"\u{e9}\u{1f600}\"", "[]", "1.5",
      "-9223372036854775808",
      "9223372036854775807", "0", "1e-07", "9.2e+18", "10", "-10",
    ])
  func roundTrip(text: String) throws {
    let limits = JSONLimits(size: 4096)
    let value = try JSONParser.parse(Array(text.utf8), limits: limits)
    #expect(String(decoding: JSONWriter.bytes(value), as: UTF8.self) == text)
    var queue = ByteQueue()
    JSONWriter.append(value, to: &queue)
    #expect(Array(queue.readable) == JSONWriter.bytes(value))
    #expect(try JSONParser.parse(queue.span, limits: limits) == value)
  }
}
