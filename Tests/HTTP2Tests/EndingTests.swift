import Bytes
import HTTP
import HTTP2
import Testing

@Suite("How streams and connections end")
struct EndingTests {
  @Test("a client that resets is told of, and its stream is closed")
  func clientResets() throws {
    let pair = Pair()
    let stream = try #require(pair.request(.post, "/", endStream: false))
    pair.run()
    pair.client.reset(stream, .cancel)
    pair.run()
    #expect(pair.serverOwner.events == ["1 POST example.com /", "1 reset 8", "1 closed"])
    #expect(pair.clientOwner.events == ["1 closed"])
  }

  @Test("a server that resets ends that stream only")
  func serverResets() throws {
    let pair = Pair()
    pair.request(.post, "/", endStream: false)
    pair.request(.get, "/b")
    pair.run()
    pair.server.reset(pair.serverOwner.streams[1]!, .internalError)
    pair.server.respond(pair.serverOwner.streams[3]!, endStream: true) { $0.status(200) }
    pair.run()
    #expect(pair.clientOwner.events.contains("1 reset 2") && pair.clientOwner.events.contains("3 200 END"))
    #expect(!pair.clientOwner.events.contains("3 reset 0") && pair.client.canOpenStream)
    #expect(pair.serverOwner.events.filter { $0.hasPrefix("1 ") } == ["1 POST example.com /", "1 closed"])
  }

  @Test("content on the way to a stream that is being reset goes nowhere")
  func contentWhileResetting() throws {
    let raw = Raw()
    raw.owner.onHead = { [unowned raw] stream, _ in raw.session.reset(stream, .cancel) }
    raw.receive(Wire.headers(1, Wire.post, endStream: false), Wire.data(1, [1, 2, 3], endStream: true))
    #expect(raw.owner.bodies.isEmpty && raw.owner.events == ["1 POST example.com /"])
    #expect(raw.pull().map(\.type) == [3])
    #expect(raw.owner.events == ["1 POST example.com /", "1 closed"])
  }

  @Test("goAway refuses what is new and finishes what is old, then the connection is finished")
  func goAwayTwice() throws {
    let pair = Pair()
    pair.request()
    pair.run()
    pair.server.shutdownNotice()
    pair.run()
    #expect(pair.clientOwner.events == ["goaway \(Int32.max) 0"])
    #expect(!pair.client.canOpenStream && pair.request() == nil)
    pair.server.goAway()
    pair.server.goAway()
    pair.run()
    #expect(pair.clientOwner.events.suffix(1) == ["goaway 1 0"])
    #expect(!pair.server.isFinished && !pair.client.isFinished)
    pair.server.respond(pair.serverOwner.streams[1]!, endStream: true) { $0.status(200) }
    pair.run()
    #expect(pair.clientOwner.events.suffix(2) == ["1 200 END", "1 closed"])
    #expect(pair.server.isFinished && pair.client.isFinished)
  }

  @Test("streams that a goAway leaves out are refused: they may be sent again")
  func leftOut() throws {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    for _ in 0..<3 { _ = open(raw) }
    _ = raw.drain()
    raw.receive(Frame(type: 7, payload: Wire.integer(1) + Wire.integer(0)))
    #expect(Set(raw.owner.events) == ["goaway 1 0", "5 reset 7", "5 closed", "3 reset 7", "3 closed"])
    #expect(raw.session.streamCount == 1 && !raw.session.isFinished)
  }

  @Test("a request that waits to be sent when the goAway comes is refused, not forgotten")
  func unsent() throws {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    _ = open(raw)
    raw.receive(Frame(type: 7, payload: Wire.integer(0) + Wire.integer(0)))
    _ = raw.drain()
    #expect(raw.owner.events == ["goaway 0 0", "1 reset 7", "1 closed"])
    #expect(raw.session.streamCount == 0)
  }

  @Test("a request that is reset before it was sent is closed")
  func resetUnsent() throws {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    let stream = try #require(open(raw))
    raw.session.reset(stream, .cancel)
    #expect(raw.pull().isEmpty)
    #expect(raw.owner.events == ["1 closed"] && raw.session.streamCount == 0)
  }

  private func open(_ raw: Raw, endStream: Bool = true) -> HTTP2Stream? {
    raw.session.request(method: .get, endStream: endStream) { sink in
      for (name, value) in Pair.pseudoHeaders {
        sink.field(name, value)
      }
    }
  }

  @Test("no more streams are opened than the peer allows")
  func peerLimit() {
    let pair = Pair(server: HTTP2Limits(streams: 2))
    pair.request()
    pair.run()
    #expect(pair.client.allowedStreams == 2)
    #expect(pair.request() != nil && pair.request() == nil)
    pair.run()
    pair.server.respond(pair.serverOwner.streams[1]!, endStream: true) { $0.status(200) }
    pair.run()
    #expect(pair.request() != nil)
  }

  @Test("streams beyond the limit are refused each by itself, before the limit is known and after")
  func tooManyStreams() {
    let raw = Raw(server: HTTP2Limits(streams: 2))
    raw.receive(Wire.headers(1, Wire.get), Wire.headers(3, Wire.get), Wire.headers(5, Wire.get))
    #expect(raw.owner.events.count == 2)
    #expect(raw.pull() == [Wire.reset(5, 7)])
    raw.session.respond(raw.owner.streams[1]!, endStream: true) { $0.status(200) }
    _ = raw.pull()
    raw.receive(Wire.headers(7, Wire.get), Wire.headers(9, Wire.get))
    #expect(raw.session.streamCount == 2 && raw.pull() == [Wire.reset(9, 7)])
    #expect(raw.result == .ok && raw.goAway == nil)

    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool())
    let owner = Recorder()
    let session = HTTP2Session(server: HTTP2Limits(streams: 2), pool: pool, owner: owner)
    let bytes = Wire.preface + Wire.settings().bytes + [1, 3, 5].flatMap { Wire.headers($0, Wire.get).bytes }
    #expect(bytes.withUnsafeBufferPointer { session.receive($0, now: 0) } == .ok)
    var out = ByteQueue()
    session.pull(into: &out, atMost: .max / 2, now: 0)
    let resets = Wire.frames(Array(out.readable)).filter { $0.type == 3 }
    #expect(resets.map(\.stream) == [5] && resets[0].code == 7)
    #expect(session.streamCount == 2)
  }

  @Test("a connection that is gone closes every stream")
  func abandoned() throws {
    let pair = Pair()
    pair.request()
    pair.request(.post, "/", endStream: false)
    pair.run()
    pair.server.abandon()
    pair.client.abandon(.internalError)
    #expect(Set(pair.serverOwner.events.suffix(4)) == ["1 reset 8", "1 closed", "3 reset 8", "3 closed"])
    #expect(Set(pair.clientOwner.events) == ["1 reset 2", "1 closed", "3 reset 2", "3 closed"])
    #expect(pair.server.streamCount == 0 && pair.request() == nil)
  }

  @Test("what waits on a stream dies with an abandoned connection, its GOAWAY does not", arguments: [0, 20_000])
  func abandonedWithOutput(sent: Int) {
    let raw = Raw(settings: [(4, 1 << 30)])
    raw.receive(Wire.windowUpdate(0, 1 << 30))
    raw.owner.forgets = true
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 1, count: 100_000))
      raw.session.end(stream)
    }
    raw.receive(Wire.headers(1, Wire.get))
    // A frame that has been measured and not yet written, too.
    if sent > 0 { _ = raw.drain(sent) }
    raw.receive(Frame(type: 6, stream: 1, payload: [UInt8](repeating: 0, count: 8)))
    raw.session.abandon()
    #expect(raw.owner.events.suffix(2) == ["1 reset 8", "1 closed"])
    let frames = raw.pull()
    #expect(frames.allSatisfy { $0.type != 0 } && frames.contains { $0.type == 7 && $0.code == 1 })
    #expect(raw.session.isFinished && raw.owner.events.last == "1 closed")
  }

  @Test("a client that abandons with requests unsent sends none of their content")
  func abandonedUnsent() throws {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    let stream = try #require(open(raw, endStream: false))
    Pair.send(raw.session, stream, [1, 2, 3])
    raw.session.abandon()
    #expect(raw.pull().allSatisfy { $0.type != 0 })
    #expect(raw.owner.events == ["1 reset 8", "1 closed"])
  }

  @Test("a connection may be abandoned in the middle of a call, and everybody is told at once")
  func abandonedInside() {
    let raw = Raw()
    var told: [String] = []
    raw.owner.onHead = { [unowned raw] stream, _ in
      guard stream.id == 5 else { return }
      raw.session.abandon(.internalError)
      told = raw.owner.events
    }
    raw.receive(
      Wire.headers(1, Wire.post, endStream: false), Wire.headers(3, Wire.get), Wire.reset(3), Wire.headers(5, Wire.get),
      Wire.headers(7, Wire.get), Wire.data(1, [1, 2]))
    #expect(raw.result == .protocolError(.internalError))
    #expect(["1 reset 2", "1 closed", "3 reset 8", "3 closed", "5 reset 2", "5 closed"].allSatisfy(told.contains))
    #expect(raw.owner.events == told && raw.owner.bodies.isEmpty)
  }

  @Test("an owner may give up the session in the middle of a call")
  func droppedInside() {
    final class Holder { var session: HTTP2Session? }
    let holder = Holder()
    let owner = Recorder()
    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool())
    holder.session = HTTP2Session(server: HTTP2Limits(), pool: pool, owner: owner)
    owner.onHead = { _, _ in holder.session = nil }
    let bytes = Wire.preface + Wire.settings().bytes + Wire.headers(1, Wire.get).bytes + Wire.headers(3, Wire.get).bytes
    bytes.withUnsafeBufferPointer { _ = holder.session?.receive($0, now: 0) }
    #expect(owner.events.count == 2 && holder.session == nil)
  }

  @Test("a response that is too large to send resets its stream, and the stream does not hang")
  func tooLargeToSend() {
    let pair = Pair(server: HTTP2Limits(sentHeaderBytes: 4096))
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: true) { sink in
        sink.status(200)
        let value = [UInt8](repeating: 97, count: 8000)
        value.withUnsafeBufferPointer { sink.field("x", $0) }
      }
    }
    pair.request()
    pair.run()
    #expect(pair.clientOwner.events == ["1 reset 2", "1 closed"])
    #expect(pair.serverOwner.events.suffix(2) == ["1 reset 2", "1 closed"])
    #expect(pair.server.streamCount == 0)
  }

  @Test("what is not HTTP/2 is an error at once")
  func notHTTP2() {
    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool())
    let owner = Recorder()
    let session = HTTP2Session(server: HTTP2Limits(), pool: pool, owner: owner)
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
    #expect(bytes.withUnsafeBufferPointer { session.receive($0, now: 0) } == .protocolError(.protocolError))
    var out = ByteQueue()
    session.pull(into: &out, atMost: .max / 2, now: 0)
    #expect(session.isFinished && session.goAwayCode == .protocolError)
    #expect(bytes.withUnsafeBufferPointer { session.receive($0, now: 0) } == .protocolError(.protocolError))
  }
}
