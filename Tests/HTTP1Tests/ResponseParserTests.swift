import HTTP
import Testing

@testable import HTTP1

@Suite("Response heads")
struct ResponseParserTests {
  @Test(
    "status lines are read letter for letter",
    arguments: [
      ("HTTP/1.1 200 OK", 200, "OK"), ("HTTP/1.0 404 Not Found", 404, "Not Found"), ("HTTP/1.1 301", 301, ""),
      ("HTTP/1.1 200 ", 200, ""),
      ("HTTP/1.1 599  a\tb", 599, " a\tb"), ("HTTP/1.1 500 Oriëntatieprobleem", 500, "Oriëntatieprobleem"),
    ])
  func statusLines(line: String, status: Int, reason: String) {
    let head = Wire.response(line + "\r\n\r\n").value
    #expect(head?.status == status)
    #expect(head?.reason == reason)
  }

  @Test(
    "anything else is refused",
    arguments: [
      ("HTTP/1.1 20 OK\r\n\r\n", .badRequest), ("HTTP/1.1 2000 OK\r\n\r\n", .badRequest),
      ("HTTP/1.1 099 OK\r\n\r\n", .badRequest),
      ("HTTP/1.1 600 OK\r\n\r\n", .badRequest), ("HTTP/1.1  200 OK\r\n\r\n", .badRequest),
      ("HTTP/1.1\t200 OK\r\n\r\n", .badRequest),
      ("HTTP/1.1 200OK\r\n\r\n", .badRequest), ("HTTP/1.1 200\tOK\r\n\r\n", .badRequest),
      ("HTTP/1.1 200 O\u{0}K\r\n\r\n", .badRequest),
      ("HTTP/1.1 200 O\rK\r\n\r\n", .badRequest), ("HTTP/1.1 200 OK\nX: y\r\n\r\n", .badRequest),
      ("\r\nHTTP/1.1 200 OK\r\n\r\n", .badRequest),
      ("HTTP/1.2 200 OK\r\n\r\n", .versionNotSupported), ("HTTP/2.0 200 OK\r\n\r\n", .versionNotSupported),
      ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", .badRequest), ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", .badRequest),
      ("HTTP/1.1 200 OK\r\nX: \u{1}\r\n\r\n", .badRequest), ("HTTP/1.1 200 OK\r\nX: y\n\r\n", .badRequest),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .badFraming),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .badFraming),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", .badFraming),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", .badFraming),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .badFraming),
      ("HTTP/1.1 304 N\r\nContent_Length: 1\r\n\r\n", .badFraming),
      ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .badFraming),
      ("HTTP/1.1 200 OK\r\nConnection: @\r\n\r\n", .badRequest),
    ] as [(String, HeadError)])
  func refused(text: String, expected: HeadError) {
    #expect(Wire.response(text).error == expected)
  }

  @Test(
    "content is framed as RFC 9112 section 6.3 says",
    arguments: [
      ("200 OK\r\nContent-Length: 5", .get, .length(5), true), ("200 OK\r\nContent-Length: 5", .head, .none, true),
      ("200 OK\r\nTransfer-Encoding: Chunked", .get, .chunked, true),
      ("200 OK\r\nTransfer-Encoding: chunked", .head, .none, true),
      ("200 OK", .get, .untilClose, false), ("200 OK", .head, .none, true), ("204 No Content", .get, .none, true),
      ("204 No Content\r\nContent-Length: 0", .get, .none, true), ("204 No Content\r\nContent-Length: 5", .get, .none, false),
      ("204 No Content\r\nTransfer-Encoding: chunked", .get, .none, false),
      ("304 Not Modified\r\nContent-Length: 5", .get, .none, true),
      ("100 Continue", .post, .none, true), ("103 Early Hints\r\nContent-Length: 5", .get, .none, false),
      ("101 Switching Protocols\r\nUpgrade: a", .get, .none, true), ("200 OK", .connect, .none, false),
      ("200 OK\r\nContent-Length: 5\r\nConnection: close", .get, .length(5), false),
    ] as [(String, HTTPMethod, BodyFraming, Bool)])
  func framing(text: String, method: HTTPMethod, framing: BodyFraming, isPersistent: Bool) {
    let head = Wire.response("HTTP/1.1 \(text)\r\n\r\n", to: method).value
    #expect(head?.framing == framing)
    #expect(head?.isPersistent == isPersistent)
  }

  @Test("HTTP/1.0 backends keep a connection only when they say so")
  func oldVersion() {
    #expect(Wire.response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").value?.isPersistent == false)
    #expect(Wire.response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n").value?.isPersistent == true)
  }
}
