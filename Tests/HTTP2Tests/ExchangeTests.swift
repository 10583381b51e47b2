import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Requests and responses over HTTP/2")
struct ExchangeTests {
  @Test("a request and its response pass, and both streams end", arguments: [Int.max, 1, 7])
  func simple(piece: Int) {
    let pair = Pair()
    pair.piece = piece
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) {
        $0.status(200)
        $0.field("content-type", "text/plain")
      }
      Pair.send(pair.server, stream, Array("hello".utf8))
      pair.server.end(stream)
    }
    let stream = pair.request(.get, "/a/b?c=d", [("accept", "*/*")])
    pair.run()
    #expect(pair.serverOwner.events == ["1 GET example.com /a/b?c=d accept=*/* END", "1 closed"])
    #expect(pair.clientOwner.events == ["1 200 content-type=text/plain", "1 end", "1 closed"])
    #expect(pair.clientOwner.bodies[1] == Array("hello".utf8))
    #expect(stream?.isOpen == false)
    #expect(pair.server.streamCount == 0 && pair.client.streamCount == 0)
    #expect(!pair.server.isFinished && !pair.client.isFinished)
  }

  @Test("the head of a request is what HTTP/1.1's parser would have made of it")
  func head() throws {
    let pair = Pair()
    pair.request(.post, "/a?b", [("content-length", "3"), ("expect", "100-continue")], endStream: false)
    pair.run()
    let stream = try #require(pair.serverOwner.streams[1])
    #expect(stream.head.method == .post)
    #expect(stream.head.framing == .length(3))
    #expect(stream.head.expectsContinue && stream.head.isPersistent && stream.head.minorVersion == 1)
    #expect(stream.head.target.length == 4 && stream.head.path.length == 2)
    #expect(stream.head.hasQuery && stream.head.query.length == 1)
    #expect(stream.head.length == stream.headBytes.count)
    #expect(stream.head.fields.first(.contentLength) == 0 && stream.head.fields.first(.expect) == 1)
  }

  @Test("content of unannounced length is a stream, and none is none")
  func framing() throws {
    let pair = Pair()
    pair.request(.post, "/", endStream: false)
    pair.request(.get, "/")
    pair.run()
    #expect(pair.serverOwner.streams[1]?.head.framing == .stream)
    #expect(pair.serverOwner.streams[3]?.head.framing == BodyFraming.none)
  }

  @Test("megabytes stream both ways at once")
  func both() throws {
    let pair = Pair()
    let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(pair.server, stream, body)
      pair.server.end(stream)
    }
    let stream = try #require(pair.request(.post, "/", endStream: false))
    Pair.send(pair.client, stream, body)
    pair.client.end(stream)
    pair.run()
    #expect(pair.serverOwner.bodies[1] == body)
    #expect(pair.clientOwner.bodies[1] == body)
    // The server finishes first or second; both messages were whole.
    #expect(pair.clientOwner.events.contains("1 end") && pair.serverOwner.events.contains("1 end"))
    #expect(pair.clientOwner.events.contains("1 drained") && !pair.clientOwner.events.contains { $0.contains("reset") })
  }

  @Test("trailers pass both ways, those that would be acted on do not")
  func trailers() throws {
    let pair = Pair()
    pair.serverOwner.onEnd = { [unowned pair] stream in
      pair.server.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(pair.server, stream, [1, 2, 3])
      pair.server.trailers(stream) {
        $0.field("grpc-status", "0")
        $0.field("Set-Cookie", "evil=1")
      }
    }
    let stream = try #require(pair.request(.post, "/", [("te", "trailers")], endStream: false))
    Pair.send(pair.client, stream, [9])
    pair.client.trailers(stream) { $0.field("x-checksum", "abc") }
    pair.run()
    #expect(pair.serverOwner.events == ["1 POST example.com / te=trailers", "1 trailer x-checksum=abc", "1 end", "1 closed"])
    #expect(pair.clientOwner.events == ["1 200", "1 trailer grpc-status=0", "1 end", "1 closed"])
    #expect(pair.clientOwner.bodies[1] == [1, 2, 3])
  }

  @Test(
    "a client's trailer that takes part in routing or authentication resets its stream",
    arguments: ["authorization", "host", "content-length"])
  func badTrailer(name: String) throws {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.post, endStream: false), Wire.headers(1, [(name, "1")]))
    #expect(raw.pull().map(\.type) == [3])
    #expect(raw.owner.events == ["1 POST example.com /", "1 reset 1", "1 closed"])
  }

  @Test("trailers without content end the response")
  func trailersOnly() throws {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) { $0.status(200) }
      pair.server.trailers(stream) { $0.field("grpc-status", "5") }
    }
    pair.request()
    pair.run()
    #expect(pair.clientOwner.events == ["1 200", "1 trailer grpc-status=5", "1 end", "1 closed"])
  }

  @Test("interim responses precede the final one")
  func interim() {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.interim(stream) { $0.status(100) }
      pair.server.interim(stream) {
        $0.status(103)
        $0.field("link", "</a>; rel=preload")
      }
      pair.server.respond(stream, endStream: true) { $0.status(204) }
      #expect(!pair.server.interim(stream) { $0.status(103) })
    }
    pair.request()
    pair.run()
    #expect(pair.clientOwner.events == ["1 100", "1 103 link=</a>; rel=preload", "1 204 END", "1 closed"])
  }

  @Test("a response to HEAD may announce content that it does not have")
  func headRequest() throws {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: true) {
        $0.status(200)
        $0.field("content-length", decimal: 1234)
      }
    }
    let stream = try #require(pair.request(.head))
    pair.run()
    #expect(pair.clientOwner.events == ["1 200 content-length=1234 END", "1 closed"])
    #expect(stream.responseHead.framing == BodyFraming.none)
  }

  @Test("cookie crumbs become one field, wherever they stand")
  func crumbs() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.get + [("cookie", "a=1"), ("accept", "x"), ("cookie", "b=2"), ("cookie", "c=3; d=4")]))
    #expect(raw.owner.events == ["1 GET example.com / accept=x cookie=a=1; b=2; c=3; d=4 END"])
    #expect(raw.owner.streams[1]?.head.fields.first(.cookie) == 1)
  }

  @Test("secrets are never put into a compression table")
  func sensitive() {
    let pair = Pair()
    pair.request(.get, "/", [("authorization", "Bearer abc"), ("cookie", "s=1")])
    pair.run()
    let first = pair.clientBytes
    pair.request(.get, "/", [("authorization", "Bearer abc"), ("cookie", "s=1")])
    pair.run()
    pair.request(.get, "/", [("x-plain", "Bearer abc"), ("x-other", "s=1")])
    pair.run()
    let before = pair.clientBytes
    pair.request(.get, "/", [("x-plain", "Bearer abc"), ("x-other", "s=1")])
    pair.run()
    // Nine bytes of frame header, and one for each of six fields that are known by now.
    #expect(pair.clientBytes - before == 9 + 6)
    #expect(first > 0 && pair.serverOwner.events.count == 4)
  }

  @Test("names are sent in lower case")
  func lowerCase() {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: true) { sink in
        sink.status(200)
        let name: StaticString = "X-Mixed-Case"
        let value: StaticString = "Value"
        sink.field(
          UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
          UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
      }
    }
    pair.request()
    pair.run()
    #expect(pair.clientOwner.events.first == "1 200 x-mixed-case=Value END")
  }

  @Test("after a response that came early, content is taken and forgotten up to a bound, until somebody ends the stream")
  func earlyResponse() throws {
    let raw = Raw(server: HTTP2Limits(discarded: 100_000))
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: true) { $0.status(401) }
      raw.session.discardContent(stream)
    }
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    #expect(raw.pull().map(\.type) == [1])
    var updates: [Int] = []
    for _ in 0..<10 {
      raw.receive(Wire.data(1, [UInt8](repeating: 1, count: 16_384)))
      updates.append(raw.pull().filter { $0.type == 8 && $0.stream == 1 }.count)
    }
    // Six frames make 98,304 bytes; what comes beyond the bound gets no window.
    #expect(updates.reduce(0, +) > 0 && updates[6...].allSatisfy { $0 == 0 })
    #expect(raw.owner.events == ["1 POST example.com /"])
    let stream = try #require(raw.owner.streams[1])
    raw.session.reset(stream, .noError)
    let frames = raw.pull()
    #expect(frames.map(\.type) == [3] && frames[0].code == 0)
    #expect(raw.owner.events == ["1 POST example.com /", "1 closed"] && !raw.session.isFinished)
  }

  @Test("a client that ends its side after an early response closes the stream")
  func earlyResponseEnds() {
    let raw = Raw()
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: true) { $0.status(401) }
      raw.session.discardContent(stream)
    }
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    _ = raw.pull()
    raw.receive(Wire.data(1, [1], endStream: true))
    #expect(raw.pull().isEmpty && raw.owner.events == ["1 POST example.com /", "1 closed"])
  }

  @Test("streams are used again, unless somebody still holds them")
  func reuse() throws {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in pair.server.respond(stream, endStream: true) { $0.status(200) } }
    pair.serverOwner.forgets = true
    let held = try #require(pair.request())
    pair.run()
    #expect(pair.serverPool.kept == 1)
    #expect(pair.clientPool.kept == 0)
    pair.clientOwner.streams.removeAll()
    pair.request()
    pair.run()
    #expect(!held.isOpen && held.id == 1)
    #expect(pair.serverPool.kept == 1)
    #expect(pair.server.streamCount == 0)
  }

  @Test("commands to a closed stream do nothing")
  func closed() throws {
    let pair = Pair()
    pair.serverOwner.onHead = { [unowned pair] stream, _ in pair.server.respond(stream, endStream: true) { $0.status(200) } }
    pair.request()
    pair.run()
    let stream = try #require(pair.serverOwner.streams[1])
    #expect(!pair.server.respond(stream, endStream: true) { $0.status(200) })
    #expect(!pair.server.end(stream) && !pair.server.reset(stream, .cancel))
    Pair.send(pair.server, stream, [1])
    pair.server.consume(stream, 10)
    #expect(stream.pendingOutput == 0 && !pair.server.wantsWrite)
  }

  /// In which order three large answers come, with `frames` before and behind their requests.
  private func order(_ frames: [Frame]) -> [UInt32] {
    let raw = Raw(settings: [(4, 1 << 30)])
    raw.receive(Wire.windowUpdate(0, 1 << 30))
    raw.receive(frames.flatMap(\.bytes))
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 7, count: 200_000))
      raw.session.end(stream)
    }
    raw.receive(Wire.headers(1, Wire.get), Wire.headers(3, Wire.get), Wire.headers(5, Wire.get))
    raw.receive(frames.flatMap(\.bytes))
    #expect(raw.result == .ok)
    return raw.pull().filter { $0.type == 0 }.map(\.stream)
  }

  @Test("streams share the connection evenly")
  func fairness() {
    let order = order([])
    for start in stride(from: 0, to: 36, by: 3) { #expect(Set(order[start..<start + 3]) == [1, 3, 5]) }
  }

  @Test("the dependency tree of RFC 7540 is refused in the first SETTINGS (RFC 9218 section 2.1), and changes nothing")
  func priorities() {
    let session = HTTP2Session(server: HTTP2Limits(), pool: HTTP2StreamPool(server: 100, buffers: BufferPool()))
    var queue = ByteQueue()
    session.pull(into: &queue, atMost: .max / 2, now: 0)
    let settings = Wire.frames(Array(queue.readable))[0]
    let entries = stride(from: 0, to: settings.payload.count, by: 6).map { Array(settings.payload[$0..<$0 + 6]) }
    #expect(settings.type == 4 && entries.contains([0, 9, 0, 0, 0, 1]))
    let plain = order([])
    // 5 before all others and with the greatest weight, 1 below it, 3 below 1; and streams that are never opened.
    #expect(
      order([
        Frame(type: 2, stream: 5, payload: [0x80, 0, 0, 0, 255]), Frame(type: 2, stream: 1, payload: [0x80, 0, 0, 5, 0]),
        Frame(type: 2, stream: 3, payload: [0x80, 0, 0, 1, 0]), Frame(type: 2, stream: 99, payload: [0, 0, 0, 97, 0]),
      ]) == plain)
    // RFC 9218's: most urgent, and not in turns.
    #expect(order([Frame(type: 0x10, payload: [0, 0, 0, 5] + Array("u=0".utf8))]) == plain)
  }
}
