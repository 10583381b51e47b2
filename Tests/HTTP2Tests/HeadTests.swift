import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Heads that are refused")
struct HeadTests {
  /// What is answered by a reset of the stream, by nghttp2's judgement.
  static let malformed: [(String, [(String, String)])] = [
    ("no :path", Array(Wire.get.dropLast())),
    ("no :method", Array(Wire.get.dropFirst())),
    ("no :scheme", Wire.get.filter { $0.0 != ":scheme" }),
    ("no authority of any kind", Wire.get.filter { $0.0 != ":authority" }),
    ("a pseudo-header twice", Wire.get + [(":path", "/b")]),
    ("a pseudo-header behind a field", [("accept", "a")] + Wire.get),
    ("an unknown pseudo-header", Wire.get + [(":protocols", "websocket")]),
    (":protocol without CONNECT", Wire.get + [(":protocol", "websocket")]),
    (":protocol without a path", [(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "a:1")]),
    ("a response's pseudo-header", Wire.get + [(":status", "200")]),
    ("an upper-case name", Wire.get + [("Accept", "a")]),
    ("connection", Wire.get + [("connection", "close")]),
    ("keep-alive", Wire.get + [("keep-alive", "1")]),
    ("proxy-connection", Wire.get + [("proxy-connection", "close")]),
    ("transfer-encoding", Wire.get + [("transfer-encoding", "chunked")]),
    ("upgrade", Wire.get + [("upgrade", "h2c")]),
    ("te other than trailers", Wire.get + [("te", "gzip")]),
    ("host twice", Wire.get + [("host", "example.com"), ("host", "example.com")]),
    ("content-length twice", Wire.get + [("content-length", "0"), ("content-length", "0")]),
    ("a content-length that is no number", Wire.get + [("content-length", "+1")]),
    ("a content-length that overflows", Wire.get + [("content-length", "9223372036854775808")]),
    ("a length without content", Wire.get + [("content-length", "1")]),
    ("CONNECT with a path", [(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")]),
    ("CONNECT without authority", [(":method", "CONNECT")]),
    ("an empty :path", Wire.get.map { $0.0 == ":path" ? (":path", "") : $0 }),
    ("a line end in :path", Wire.get.map { $0.0 == ":path" ? (":path", "/\r\nx: y") : $0 }),
    ("a line end in :authority", Wire.get.map { $0.0 == ":authority" ? (":authority", "a\nb") : $0 }),
    ("a NUL in :method", Wire.get.map { $0.0 == ":method" ? (":method", "GE\0T") : $0 }),
  ]

  @Test("malformed heads reset their stream, and the connection goes on", arguments: HeadTests.malformed.indices)
  func malformedHead(index: Int) {
    let (name, fields) = HeadTests.malformed[index]
    let raw = Raw()
    raw.receive(Wire.headers(1, fields))
    #expect(!raw.owner.events.contains { $0.hasPrefix("1 GET") || $0.hasPrefix("1 CONNECT") }, "\(name): \(raw.owner.events)")
    let frames = raw.pull()
    // Some are malformed by nghttp2's judgement, some by ours, which leaves it to the owner to answer.
    if frames.isEmpty {
      #expect(raw.owner.events.first?.contains("refused") == true, "\(name)")
    } else {
      #expect(frames.map(\.type) == [3] && frames[0].code == 1, "\(name): \(frames)")
      #expect(raw.owner.events == ["1 reset 1", "1 closed"], "\(name)")
    }
    raw.receive(Wire.headers(3, Wire.get))
    #expect(raw.owner.events.last == "3 GET example.com / END", "\(name)")
  }

  static func with(_ name: String, _ value: String) -> [(String, String)] { Wire.get.map { $0.0 == name ? (name, value) : $0 } }

  static let refused: [(String, [(String, String)], HTTP2HeadError)] = [
    ("host that differs from :authority", Wire.get + [("host", "example.org")], .badHost),
    ("an authority with user information", with(":authority", "u@example.com"), .badHost),
    ("an authority with a bad port", with(":authority", "example.com:99999"), .badHost),
    ("an empty :authority beside a host", with(":authority", "") + [("host", "a")], .badHost),
    ("a path that is a URL", with(":path", "https://example.com/"), .badRequest),
    ("a path without slash", with(":path", "a"), .badRequest),
    ("an asterisk for GET", with(":path", "*"), .badRequest),
    ("a space in the path", with(":path", "/a b"), .badRequest),
    ("a byte beyond ASCII in the path", with(":path", "/\u{e4}"), .badRequest),
    ("a fragment", with(":path", "/a#b"), .badPath),
    ("a fragment in the query", with(":path", "/a?b#c"), .badPath),
    ("a scheme that is not HTTP", with(":scheme", "ftp"), .badRequest),
    ("a method that is no token", with(":method", "G(T"), .badRequest),
    ("a name that is no token", Wire.get + [("na me", "x")], .badRequest),
    ("a line end in a value", Wire.get + [("x", "a\r\nb: c")], .badRequest),
    ("a NUL in a value", Wire.get + [("x", "a\0b")], .badRequest),
    ("a space before a value", Wire.get + [("x", " a")], .badRequest),
    ("a space behind a value", Wire.get + [("x", "a ")], .badRequest),
    ("content_length", Wire.post + [("content_length", "3")], .badFraming),
    ("transfer_encoding", Wire.post + [("transfer_encoding", "chunked")], .badFraming),
    ("an expectation that is not known", Wire.get + [("expect", "200-ok")], .expectationFailed),
    ("CONNECT without port", [(":method", "CONNECT"), (":authority", "example.com")], .badRequest),
    ("a long path", with(":path", "/" + String(repeating: "a", count: 8192)), .uriTooLong),
    ("101 fields", Wire.get + (0..<101).map { ("x-\($0)", "y") }, .headersTooLarge),
    ("33 KiB of fields", Wire.get + (0..<11).map { ("x-\($0)", String(repeating: "y", count: 3000)) }, .headersTooLarge),
  ]

  @Test("what is refused by rule is told to the owner, who may answer", arguments: HeadTests.refused.indices)
  func refusedHead(index: Int) {
    let (name, fields, error) = HeadTests.refused[index]
    let raw = Raw()
    raw.owner.onHead = { [unowned raw] stream, _ in
      guard let refusal = stream.headRefusal else { return }
      raw.session.respond(stream, endStream: true) { $0.status(refusal.status) }
    }
    var payload = Wire.fields(fields)
    var frames: [Frame] = []
    while payload.count > 16_384 {
      let first = frames.isEmpty
      frames.append(Frame(type: first ? 1 : 9, flags: first ? 1 : 0, stream: 1, payload: Array(payload.prefix(16_384))))
      payload.removeFirst(16_384)
    }
    frames.append(Frame(type: frames.isEmpty ? 1 : 9, flags: frames.isEmpty ? 5 : 4, stream: 1, payload: payload))
    raw.receive(frames.flatMap(\.bytes))
    let answer = raw.pull()
    if raw.owner.events == ["1 reset 1", "1 closed"] {
      // nghttp2 was faster.
      #expect(answer.map(\.type) == [3], "\(name)")
    } else {
      #expect(raw.owner.events == ["1 refused \(error)", "1 closed"], "\(name)")
      #expect(answer.map(\.type) == [1], "\(name)")
    }
    raw.receive(Wire.headers(3, Wire.get))
    #expect(raw.owner.events.last == "3 GET example.com / END", "\(name)")
  }

  @Test("what is legal is accepted")
  func accepted() {
    let raw = Raw(server: HTTP2Limits(streams: 100))
    let heads: [([(String, String)], String)] = [
      (HeadTests.with(":path", "*").map { $0.0 == ":method" ? (":method", "OPTIONS") : $0 }, "OPTIONS example.com * END"),
      ([(":method", "CONNECT"), (":authority", "example.com:443")], "CONNECT example.com:443  END"),
      (Wire.get.filter { $0.0 != ":authority" } + [("host", "a.b")], "GET a.b / host=a.b END"),
      (Wire.get + [("host", "EXAMPLE.com")], "GET example.com / host=EXAMPLE.com END"),
      (Wire.get + [("te", "trailers")], "GET example.com / te=trailers END"),
      (HeadTests.with(":authority", "[::1]:8443"), "GET [::1]:8443 / END"),
      (HeadTests.with(":method", "PROPFIND"), "PROPFIND example.com / END"),
      (HeadTests.with(":path", "/a?b?c"), "GET example.com /a?b?c END"),
      (Wire.get + [("x-empty", "")], "GET example.com / x-empty= END"),
      (Wire.get + [("content-length", "0")], "GET example.com / content-length=0 END"),
    ]
    for (index, head) in heads.enumerated() {
      let id = UInt32(2 * index + 1)
      raw.receive(Wire.headers(id, head.0))
      #expect(raw.owner.events.last == "\(id) \(head.1)")
    }
  }

  @Test("DATA that is more or less than content-length resets the stream", arguments: [2, 4])
  func contentLength(count: Int) {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.post + [("content-length", "3")], endStream: false))
    raw.receive(Wire.data(1, [UInt8](repeating: 1, count: count), endStream: true))
    #expect(raw.pull().contains { $0.type == 3 && $0.code == 1 })
    #expect(!raw.owner.events.contains("1 end") && raw.owner.events.suffix(2) == ["1 reset 1", "1 closed"])
  }

  static let badResponses: [[(String, String)]] = [
    [("server", "x")],
    [(":status", "200"), (":status", "200")],
    [(":status", "20")],
    [(":status", "099")],
    [(":status", "600")],
    [(":status", "2x0")],
    [(":status", "101")],
    [(":status", "100")],
    [(":status", "200"), ("connection", "close")],
    [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("content-length", "5")],
    [(":status", "200"), ("content_length", "0")],
    [(":status", "200"), ("x", "a\nb")],
    [(":status", "200"), ("X", "a")],
    [(":status", "200")] + (0..<101).map { ("x-\($0)", "y") },
    [(":status", "200")] + (0..<700).map { _ in ("x", "y") },
  ]

  @Test("a backend's bad head ends its stream only", arguments: HeadTests.badResponses.indices)
  func badResponse(index: Int) throws {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    for _ in 0..<2 {
      _ = raw.session.request(method: .get, endStream: true) { sink in
        for (name, value) in Pair.pseudoHeaders {
          sink.field(name, value)
        }
      }
    }
    _ = raw.drain()
    raw.receive(Wire.headers(1, HeadTests.badResponses[index]))
    #expect(raw.pull().contains { $0.type == 3 && $0.stream == 1 })
    #expect(raw.owner.events.count == 2 && raw.owner.events[0].hasPrefix("1 reset") && raw.owner.events[1] == "1 closed")
    raw.receive(Wire.headers(3, [(":status", "200")]))
    #expect(raw.owner.events.suffix(2) == ["3 200 END", "3 closed"])
  }
}
