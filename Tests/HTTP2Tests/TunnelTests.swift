import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Extended CONNECT")
struct TunnelTests {
  private static let fields: [(String, String)] = [
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "example.com"), (":path", "/chat?a"),
    ("sec-websocket-version", "13"),
  ]

  private func open(_ pair: Pair, _ fields: [(StaticString, StaticString)] = []) -> HTTP2Stream? {
    pair.client.request(method: .get, endStream: false, isTunnel: true) { sink in
      sink.field(":method", "CONNECT")
      sink.field(":protocol", "websocket")
      sink.field(":scheme", "https")
      sink.field(":authority", "example.com")
      sink.field(":path", "/chat?a")
      for (name, value) in fields { sink.field(name, value) }
    }
  }

  @Test("a peer's word is waited for, and then it is the server's")
  func announced() {
    let pair = Pair()
    #expect(!pair.client.peerTakesTunnels && !pair.client.settingsReceived)
    pair.run()
    #expect(pair.client.settingsReceived && pair.client.peerTakesTunnels)
    #expect(pair.server.settingsReceived && !pair.server.peerTakesTunnels)
  }

  @Test("it reads as the GET that opens a WebSocket")
  func head() throws {
    let pair = Pair()
    pair.run()
    _ = open(pair)
    pair.run()
    let stream = try #require(pair.serverOwner.streams[1])
    #expect(stream.headRefusal == nil)
    #expect(stream.head.isWebSocket && stream.head.method == .get && stream.head.framing == BodyFraming.none)
    let bytes = stream.headBytes.readable
    #expect(bytes[stream.head.methodRange.bounds].elementsEqual("GET".utf8))
    #expect(bytes[stream.head.path.bounds].elementsEqual("/chat".utf8) && stream.head.hasQuery)
    #expect(stream.head.webSocketKey.isEmpty)
  }

  @Test("bytes pass both ways until one side ends", arguments: [Int.max, 1])
  func bytes(piece: Int) throws {
    let pair = Pair()
    pair.piece = piece
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) {
        $0.status(200)
        // Without a meaning for a tunnel (RFC 9110 section 9.3.6).
        $0.field("content-length", "1")
      }
      Pair.send(pair.server, stream, Array("from the server".utf8))
    }
    pair.run()
    let stream = try #require(open(pair))
    Pair.send(pair.client, stream, Array("from the client".utf8))
    pair.run()
    #expect(pair.clientOwner.bodies[1] == Array("from the server".utf8))
    #expect(pair.serverOwner.bodies[1] == Array("from the client".utf8))
    #expect(stream.responseHead.framing == .stream)
    pair.client.end(stream)
    pair.run()
    #expect(pair.serverOwner.events.contains("1 end"))
  }

  static let refused: [(String, [(String, String)], HTTP2HeadError)] = [
    ("another protocol", fields.map { $0.0 == ":protocol" ? ($0.0, "connect-udp") : $0 }, .badRequest),
    ("a length", fields + [("content-length", "5")], .badFraming),
    ("a host that differs", fields + [("host", "example.org")], .badHost),
  ]

  @Test("what is not exactly that is refused", arguments: TunnelTests.refused.indices)
  func refusal(index: Int) {
    let (name, fields, error) = Self.refused[index]
    let raw = Raw()
    raw.receive(Wire.headers(1, fields, endStream: false))
    #expect(raw.owner.streams[1]?.headRefusal == error, "\(name): \(raw.owner.events)")
  }

  @Test("one that ends before it began is refused")
  func ended() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Self.fields))
    #expect(raw.owner.streams[1]?.headRefusal == .badRequest)
  }
}
