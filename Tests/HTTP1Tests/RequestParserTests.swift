import HTTP
import Testing

@testable import HTTP1

@Suite("Request heads")
struct RequestParserTests {
  @Test("a head is taken apart into ranges")
  func parts() throws {
    let text =
      "POST /a/b?c=d?e HTTP/1.1\r\nHost: Example.com:8080\r\nX-Empty:\r\nX-Space: \t a b\t \r\nContent-Length: 12\r\n\r\nbody"
    let head = try #require(Wire.request(text).value)
    #expect(
      head
        == Wire.Request(
          method: "POST", path: "/a/b", query: "c=d?e", authority: "Example.com:8080", framing: .length(12),
          length: text.utf8.count - 4,
          fields: [["Host", "Example.com:8080"], ["X-Empty", ""], ["X-Space", "a b"], ["Content-Length", "12"]]))
  }

  @Test(
    "each rule of RFC 9112 that is broken gets its answer",
    arguments: [
      // Lines.
      ("GET / HTTP/1.1\nHost: a\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\n\n", .badRequest), ("GET / HTTP/1.1\rHost: a\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", .badRequest),
      ("\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      // Request line.
      ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .badRequest), (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET /\r\nHost: a\r\n\r\n", .badRequest), ("GET\r\n\r\n", .badRequest), ("GET HTTP/1.1\r\n\r\n", .badRequest),
      ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .badPath), ("GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n", .badPath),
      ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", .versionNotSupported), ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .versionNotSupported),
      ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .versionNotSupported), ("GET / HTTP/0.9\r\n\r\n", .versionNotSupported),
      ("GET / HTTP/1.01\r\nHost: a\r\n\r\n", .badRequest), ("GET / http/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET / HTTP/11\r\nHost: a\r\n\r\n", .badRequest), ("GET / HTTP/1,1\r\nHost: a\r\n\r\n", .badRequest),
      // Request targets.
      ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest), ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", .badRequest), ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", .badHost), ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", .badHost),
      ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", .badHost), ("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", .badHost),
      ("GET http://a#x HTTP/1.1\r\nHost: a\r\n\r\n", .badPath), ("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", .badHost), ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", .badRequest),
      ("CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n", .badHost), ("CONNECT http://a:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n", .badHost),
      // Fields.
      ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\n: a\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost\r\n\r\n", .badRequest), ("GET / HTTP/1.1\r\nHost: a\r\nX@: b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nXé: b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789012345678\u{1b}9\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nLong-Name-That-Goes-On And-On: b\r\n\r\n", .badRequest),
      // Host.
      ("GET / HTTP/1.1\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost:\r\n\r\n", .badHost),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .badHost),
      ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .badHost),
      ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .badHost), ("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", .badHost),
      ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost), ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", .badHost),
      // Connection and Expect.
      ("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", .badRequest),
      ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", .expectationFailed),
      ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n", .expectationFailed),
    ] as [(String, HeadError)])
  func refused(text: String, expected: HeadError) {
    #expect(Wire.request(text).error == expected)
  }

  @Test(
    "framing that two readers may see differently is refused",
    arguments: [
      "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
      "Content-Length: 5\r\nContent-Length: 5",
      "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: -5",
      "Content-Length: 5 5",
      "Content-Length: 0x5", "Content-Length: 5,", "Content-Length:", "Content-Length: 9223372036854775808",
      "Content-Length: 1e1",
      "Content-Length: 18446744073709551616", "Content-Length: 99999999999999999999999", "Content-Length: \u{661}",
      "Content-Length: 5;a",
      "Transfer-Encoding:", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: chunked, chunked",
      "Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: xchunked",
      "Transfer-Encoding: chunkedx",
      "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked,",
      "Transfer-Encoding: ,chunked",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
      "Transfer-Encoding: \u{a0}chunked", "Content_Length: 5", "Transfer_Encoding: chunked",
      "transfer_encoding: x\r\nContent-Length: 5",
      "Content_length: 5\r\nContent-Length: 5",
    ])
  func ambiguousFraming(fields: String) {
    #expect(Wire.request("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n").error == .badFraming)
  }

  @Test(
    "framing fields spelt in a way that makes them other fields or no fields are not forwarded as such",
    arguments: [
      "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked",
      "Transfer-Encoding: chunked\n", "X: y\nTransfer-Encoding: chunked",
      "Transfer-Encoding: \u{b}chunked", "X:\r\n Transfer-Encoding: chunked", "Transfer\u{0}-Encoding: chunked",
      "X: y\rTransfer-Encoding: chunked",
      "\u{0}Transfer-Encoding: chunked", "Transfer-Encoding\u{c}: chunked",
    ])
  func obfuscatedTransferEncoding(field: String) {
    #expect(Wire.request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\(field)\r\n\r\n").error == .badRequest)
  }

  @Test(
    "content is framed as announced",
    arguments: [
      ("", .none), ("Content-Length: 0", .length(0)), ("content-length:\t42  ", .length(42)),
      ("Content-Length: 0012", .length(12)),
      ("CONTENT-LENGTH: 9223372036854775807", .length(9_223_372_036_854_775_807)), ("Transfer-Encoding: chunked", .chunked),
      ("transfer-encoding:CHUNKED\t", .chunked), ("Content-Length-X: 5", .none), ("X-Content-Length: 5", .none),
    ] as [(String, BodyFraming)])
  func framing(field: String, expected: BodyFraming) {
    let line = field.isEmpty ? "" : field + "\r\n"
    #expect(Wire.request("POST / HTTP/1.1\r\nHost: a\r\n\(line)\r\n").value?.framing == expected)
  }

  @Test("HTTP/1.0 has no transfer coding")
  func transferEncodingInOldVersion() {
    #expect(Wire.request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").error == .badFraming)
  }

  @Test(
    "the connection persists as RFC 9112 section 9.3 says",
    arguments: [
      ("1.1", "", true), ("1.1", "close", false), ("1.1", "Close, x", false), ("1.1", "keep-alive, close", false), ("1.1",
      "x", true),
      ("1.0", "", false), ("1.0", "Keep-Alive", true), ("1.0", "keep-alive, close", false),
    ])
  func persistence(version: String, connection: String, expected: Bool) {
    let field = connection.isEmpty ? "" : "Connection: \(connection)\r\n"
    #expect(Wire.request("GET / HTTP/\(version)\r\nHost: a\r\n\(field)\r\n").value?.isPersistent == expected)
  }

  @Test("only what names fields sets the flag that asks for a look at the nominations")
  func connectionOptions() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: "
    #expect(Wire.request(head + "close, keep-alive, Upgrade\r\n\r\n").value?.hasConnectionOptions == false)
    #expect(Wire.request(head + "close, x-a\r\n\r\n").value?.hasConnectionOptions == true)
  }

  static let handshake = """
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13
    """

  @Test(
    "the opening of a WebSocket is exactly that, or an ordinary request",
    arguments: [
      ("GET", "1.1", handshake, true),
      ("GET", "1.1", handshake.replacing("Upgrade: websocket", with: "Upgrade: h2c, WebSocket"), true),
      ("GET", "1.1", handshake.replacing("Connection: Upgrade", with: "connection: keep-alive,  UPGRADE"), true),
      ("GET", "1.0", handshake, false), ("POST", "1.1", handshake, false),
      ("GET", "1.1", handshake + "\r\nContent-Length: 0", false),
      ("GET", "1.1", handshake + "\r\nTransfer-Encoding: chunked", false),
      ("GET", "1.1", handshake.replacing("Connection: Upgrade\r\n", with: ""), false),
      ("GET", "1.1", handshake.replacing("Upgrade: websocket", with: "Upgrade: websocket2"), false),
      ("GET", "1.1", handshake.replacing("13", with: "8"), false), ("GET", "1.1", handshake + "\r\nSec-WebSocket-Version: 8", false),
      ("GET", "1.1", handshake.replacing("ZQ==", with: "ZQ=="  + "="), false),
      ("GET", "1.1", handshake.replacing("ZQ==", with: "ZQ=A"), false), ("GET", "1.1", handshake.replacing("dGhl", with: "d.hl"), false),
      ("GET", "1.1", handshake + "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", false),
    ])
  func webSocket(method: String, version: String, fields: String, expected: Bool) {
    #expect(Wire.request("\(method) / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n\r\n").value?.isWebSocket == expected)
  }

  @Test(
    "100-continue counts when content follows",
    arguments: [
      ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true),
      ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", true),
      ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", false),
      ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false),
      ("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false),
      ("POST / HTTP/1.0\r\nExpect: x\r\n\r\n", false),
    ])
  func expect(text: String, expected: Bool) {
    #expect(Wire.request(text).value?.expectsContinue == expected)
  }

  @Test(
    "the four forms of target",
    arguments: [
      ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", nil, "a"), ("GET /? HTTP/1.0\r\n\r\n", "/", "", ""),
      ("GET http://A:1/p?q HTTP/1.1\r\nHost: a:1\r\n\r\n", "/p", "q", "A:1"), ("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n",
      "/", nil, "a"),
      ("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "/", "q", "a"), ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", nil, "a"),
      ("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n", "", nil, "a.b:443"), ("GET http://a/ HTTP/1.0\r\n\r\n",
      "/", nil, "a"),
      ("GET //a HTTP/1.1\r\nHost: a\r\n\r\n", "//a", nil, "a"), ("FANCY /\"x\"|{} HTTP/1.1\r\nHost: a\r\n\r\n",
      "/\"x\"|{}", nil, "a"),
    ] as [(String, String, String?, String)])
  func targets(text: String, path: String, query: String?, authority: String) throws {
    let head = try #require(Wire.request(text).value)
    #expect(head.path == path)
    #expect(head.query == query)
    #expect(head.authority == authority)
  }

  @Test("up to two empty lines before the request are skipped and counted")
  func emptyLines() {
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    #expect(Wire.request("\r\n" + text).value?.length == text.utf8.count + 2)
    #expect(Wire.request("\r\n\r\n" + text).value?.length == text.utf8.count + 4)
    #expect(Wire.request("\r\n\r\n" + text).value?.path == "/")
  }

  @Test("limits hold at their exact value")
  func limits() {
    let text = "GET /aaaaaaaaa HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    let count = text.utf8.count
    #expect(Wire.request(text, limits: HeadLimits(headerBytes: count)).value != nil)
    #expect(Wire.request(text, limits: HeadLimits(headerBytes: count - 1)).error == .headersTooLarge)
    #expect(Wire.request(text, limits: HeadLimits(headerCount: 2)).value != nil)
    #expect(Wire.request(text, limits: HeadLimits(headerCount: 1)).error == .headersTooLarge)
    #expect(Wire.request(text, limits: HeadLimits(uriBytes: 10)).value != nil)
    #expect(Wire.request(text, limits: HeadLimits(uriBytes: 9)).error == .uriTooLong)
    let endless = "GET /" + String(repeating: "a", count: 9000)
    #expect(Wire.request(endless).error == .uriTooLong)
    #expect(Wire.request("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 33_000)).error == .headersTooLarge)
  }

  @Test("bytes from 0x80 up and tabs may stand in a value")
  func opaqueValues() {
    let head = Wire.request("GET / HTTP/1.1\r\nHost: a\r\nX: Düsseldorf \t, 0123456789é\r\n\r\n").value
    #expect(head?.fields[1][1] == "Düsseldorf \t, 0123456789é")
  }

  @Test("a parser that is done takes the next head, and one that failed stays failed until it is reset")
  func reuse() {
    var parser = RequestParser(limits: HeadLimits())
    var head = RequestHead(fieldCapacity: 8)
    let first = Array("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, x\r\n\r\n".utf8)
    let second = Array("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    let bad = Array("GET /3\r\n\r\n".utf8)
    #expect(parse(first) == .complete)
    #expect(parse(second) == .complete)
    #expect(head.framing == .none && head.isPersistent && head.fields.count == 1 && !head.hasConnectionOptions)
    #expect(parse(bad) == .failed(.badRequest))
    #expect(parse(second) == .failed(.badRequest))
    parser.reset()
    #expect(parse(second) == .complete)

    func parse(_ bytes: [UInt8]) -> HeadProgress { parser.parse(bytes.span, into: &head) }
  }

  @Test("a head with more fields than its block has room for is too large")
  func smallBlock() {
    var parser = RequestParser(limits: HeadLimits())
    var head = RequestHead(fieldCapacity: 1)
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n".utf8)
    let progress = parser.parse(bytes.span, into: &head)
    #expect(progress == .failed(.headersTooLarge))
  }
}
