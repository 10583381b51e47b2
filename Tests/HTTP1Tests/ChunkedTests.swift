import Bytes
import HTTP
import Testing

@testable import HTTP1

@Suite("The chunked transfer coding")
struct ChunkedTests {
  @Test(
    "well-formed content is decoded",
    arguments: [
      ("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("1\r\na\r\n1\r\nb\r\n000\r\n\r\n", "ab"),
      ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
      ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"), ("0000000000000001\r\na\r\n0\r\n\r\n", "a"), ("2;a\r\n\r\n\r\n0\r\n\r\n",
      "\r\n"),
      ("1;a=b;c=\"d;\\\"\"\r\nx\r\n0;e\r\n\r\n", "x"), ("1; a = b ; c\r\nx\r\n0\r\n\r\n", "x"),
    ])
  func decoded(text: String, data: String) {
    let result = Wire.chunks(text + "GET").value
    #expect(result.map { String(decoding: $0.data, as: UTF8.self) } == data)
    #expect(result?.consumed == text.utf8.count)
  }

  @Test(
    "a size or line end that two readers may see differently is refused",
    arguments: [
      "\r\n", "g\r\n", "-1\r\n", "+1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\t\r\na\r\n", "0x1\r\na\r\n", "1\na\r\n",
      "1\ra\r\n", "1\r\r\na\r\n", "1h\r\n",
      "00000000000000001\r\na\r\n", "FFFFFFFFFFFFFFFFF\r\n", "ffffffffffffffff\r\n", "8000000000000000\r\n", "1_0\r\n",
      "1,1\r\na\r\n", "1.0\r\na\r\n", ";a\r\n", "1 ;a\r\nx\r\n",
      "1;\r\na\r\n", "1;;\r\na\r\n", "1;a=\r\nx\r\n", "1;a=\"b\r\nx\r\n", "1;a b\r\nx\r\n", "1;a \r\nx\r\n", "1;a\nb\r\nx\r\n",
      "1;a\rb\r\nx\r\n",
      "1;a=\"\u{1}\"\r\nx\r\n", "1;a=\"\u{0}\"\r\nx\r\n", "1\r\nab\r\n", "1\r\na\n", "1\r\na\rb", "1\r\na0\r\n\r\n",
      "2\r\na\r\n0\r\n\r\n", "0\r\n\n", "0\n\r\n", "3\r\nfoo\r\n\r\n",
      "1\r\n\r\n0\r\n\r\n", "\u{feff}1\r\n", "１\r\na\r\n",
    ])
  func refused(text: String) {
    #expect(Wire.chunks(text).error != nil)
  }

  @Test("a chunk extension has at most 1 KiB, and is refused before its line ends")
  func longExtension() {
    let name = String(repeating: "a", count: 1022)
    #expect(Wire.chunks("1;\(name)a\r\nx\r\n0\r\n\r\n").value != nil)
    #expect(Wire.chunks("1;\(name)aa\r\nx\r\n0\r\n\r\n").error == .badFraming)
    #expect(Wire.chunks("1;" + String(repeating: "a", count: 1041)).error == .badFraming)
  }

  @Test("extensions may not outgrow the content")
  func manyExtensions() {
    let chunk = "1;\(String(repeating: "a", count: 1000))\r\nx\r\n"
    #expect(Wire.chunks(String(repeating: chunk, count: 10) + "0\r\n\r\n").value != nil)
    #expect(Wire.chunks(String(repeating: chunk, count: 30)).error == .badFraming)
    let signed = "1000;chunk-signature=\(String(repeating: "a", count: 64))\r\n" + String(repeating: "x", count: 4096) + "\r\n"
    #expect(Wire.chunks(String(repeating: signed, count: 1000) + "0\r\n\r\n").value?.data.count == 4_096_000)
  }

  @Test("trailers are handed out")
  func trailers() {
    let result = Wire.chunks("1\r\na\r\n0\r\ngrpc-status: 0\r\nX-Sum:  a b \r\nContent-Digest: x\r\n\r\n").value
    #expect(result?.trailers == [["grpc-status", "0"], ["X-Sum", "a b"], ["Content-Digest", "x"]])
  }

  @Test(
    "trailers that take part in framing, routing, authentication or reading the content are refused",
    arguments: [
      "Content-Length", "content_length", "Transfer-Encoding", "Host", "Authorization", "Proxy-Authorization", "Cookie",
      "Set-Cookie", "Connection",
      "Keep-Alive", "TE", "Trailer", "Upgrade", "Content-Encoding", "Content-Type", "Content-Range", "Content-Location",
      "X-Forwarded-For",
      "X_Forwarded_Client_Cert", "X-Forwarded-", "X-Forwarded-User", "Forwarded", "X-Real-IP", "Expect", "Range",
      "Cache-Control", "Max-Forwards", "If-Match",
      "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Vary", "Age", "Expires", "Pragma", "DPoP",
      "Via", "WWW-Authenticate",
    ])
  func forbiddenTrailers(name: String) {
    #expect(Wire.chunks("0\r\n\(name): x\r\n\r\n").error == .badFraming)
  }

  @Test(
    "malformed trailers are refused",
    arguments: ["a\r\n", ": b\r\n", "a : b\r\n", "a: b\n", " a: b\r\n", "a: b\r\n c\r\n", "a: \u{0}\r\n", "a: b\rc\r\n"])
  func malformedTrailers(line: String) {
    #expect(Wire.chunks("0\r\n\(line)\r\n").error == .badRequest)
  }

  @Test("a trailer section has at most 32 fields and 8 KiB")
  func trailerLimits() {
    #expect(Wire.chunks("0\r\n" + String(repeating: "a: b\r\n", count: 32) + "\r\n").value?.trailers.count == 32)
    #expect(Wire.chunks("0\r\n" + String(repeating: "a: b\r\n", count: 33) + "\r\n").error == .headersTooLarge)
    #expect(Wire.chunks("0\r\na: " + String(repeating: "b", count: 8192 - 7) + "\r\n\r\n").value != nil)
    #expect(Wire.chunks("0\r\na: " + String(repeating: "b", count: 8192 - 6) + "\r\n\r\n").error == .headersTooLarge)
    #expect(Wire.chunks("0\r\na: " + String(repeating: "b", count: 9000)).error == .headersTooLarge)
  }

  @Test("what is encoded is decoded to itself, however it is cut")
  func roundTrip() {
    var random = SplitMix(state: 3)
    for _ in 0..<300 {
      var queue = ByteQueue()
      var data: [UInt8] = []
      for _ in 0..<Int.random(in: 0...5, using: &random) {
        let run = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        ChunkedEncoder.append(run.span, into: &queue)
        data += run
      }
      let hasTrailer = Bool.random(using: &random)
      if hasTrailer {
        ChunkedEncoder.beginTrailers(into: &queue)
        HeadWriter.field("x-sum", "1", into: &queue)
        ChunkedEncoder.endTrailers(into: &queue)
      } else {
        ChunkedEncoder.end(into: &queue)
      }
      let encoded = Array(queue.readable)
      let cuts = SplitTests.cuts(of: encoded.count, using: &random)
      let result = Wire.chunks(encoded, cuts: cuts).value
      #expect(result == Wire.Chunks(data: data, trailers: hasTrailer ? [["x-sum", "1"]] : [], consumed: encoded.count))
    }
  }

  @Test("a consumed offset outside of the input is a failure, not a trap", arguments: [-1, 4])
  func badOffset(offset: Int) {
    var decoder = ChunkedDecoder()
    var consumed = offset
    let input: [UInt8] = [0x30, 0x0d, 0x0a]
    let step = decoder.next(input.span, consumed: &consumed)
    #expect(step == .failed(.badFraming))
  }
}
