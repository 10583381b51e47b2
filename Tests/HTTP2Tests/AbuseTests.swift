import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Floods")
struct AbuseTests {
  private func calmed(_ raw: Raw) -> Bool { raw.goAway == .enhanceYourCalm && raw.result == .protocolError(.enhanceYourCalm) }

  @Test("rapid reset: a thousand at once, then 33 a second")
  func rapidReset() {
    let raw = Raw()
    raw.owner.forgets = true
    raw.owner.keepsEvents = false
    let took = raw.flood(2000) { index in
      let id = UInt32(2 * index + 1)
      return Wire.headers(id, Wire.get).bytes + Wire.reset(id).bytes
    }
    #expect(took == 1000)
    #expect(calmed(raw))
    #expect(raw.session.streamCount <= 1)
  }

  @Test("a client that cancels as people do is left alone")
  func slowResets() {
    let raw = Raw()
    raw.owner.forgets = true
    raw.owner.keepsEvents = false
    let took = raw.flood(5000) { index in
      raw.now += 31
      let id = UInt32(2 * index + 1)
      return Wire.headers(id, Wire.get).bytes + Wire.reset(id).bytes
    }
    #expect(took == 5000)
  }

  @Test("made you reset: faults that we answer with a reset count like the client's own", arguments: ["window", "length", "self"])
  func madeYouReset(kind: String) {
    let raw = Raw()
    raw.owner.forgets = true
    raw.owner.keepsEvents = false
    let took = raw.flood(2000) { index in
      let id = UInt32(2 * index + 1)
      let open = Wire.headers(id, Wire.post, endStream: false).bytes
      switch kind {
      case "window": return open + Wire.windowUpdate(id, .max >> 1).bytes
      case "length":
        return Wire.headers(id, Wire.post + [("content-length", "1")], endStream: false).bytes + Wire.data(id, [1, 2]).bytes
      default: return Wire.headers(id, Wire.post + [("connection", "x")], endStream: false).bytes
      }
    }
    #expect(took >= 999 && took <= 1001)
    #expect(raw.goAway == .enhanceYourCalm)
  }

  @Test("resets that the owner wants do not count")
  func ownResets() {
    let raw = Raw()
    raw.owner.forgets = true
    raw.owner.keepsEvents = false
    raw.owner.onHead = { [unowned raw] stream, _ in raw.session.reset(stream, .refusedStream) }
    #expect(raw.flood(3000) { Wire.headers(UInt32(2 * $0 + 1), Wire.get).bytes } == 3000)
  }

  @Test("more than eight CONTINUATION frames end the connection")
  func continuation() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.get, endHeaders: false))
    let took = raw.flood(100) { _ in Frame(type: 9, stream: 1).bytes }
    #expect(took == 8)
    #expect(calmed(raw))
    #expect(raw.owner.events.isEmpty || raw.owner.events == ["1 reset 8", "1 closed"])
  }

  @Test(
    "floods of frames that cost a client nothing end the connection",
    arguments: [
      ("SETTINGS", 60), ("PING", 250), ("empty DATA", 250), ("padded empty DATA", 250), ("PRIORITY", 600),
      ("WINDOW_UPDATE", 2100), ("PRIORITY_UPDATE", 600), ("ALTSVC", 600), ("ORIGIN", 600), ("unknown", 600), ("unknown and long", 600),
    ] as [(String, Int)])
  func floods(kind: String, limit: Int) {
    let raw = Raw(settings: [(4, 65_535)])
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    let took = raw.flood(10_000) { _ in
      switch kind {
      case "SETTINGS": return Wire.settings().bytes
      case "PING": return Frame(type: 6, payload: [UInt8](repeating: 0, count: 8)).bytes
      case "empty DATA": return Wire.data(1, []).bytes
      case "padded empty DATA": return Frame(type: 0, flags: 8, stream: 1, payload: [3, 0, 0, 0]).bytes
      case "PRIORITY": return Frame(type: 2, stream: 1, payload: [0, 0, 0, 0, 15]).bytes
      case "WINDOW_UPDATE": return Wire.windowUpdate(1, 1).bytes
      default: return extensionFrame(kind).bytes
      }
    }
    #expect(took < limit)
    #expect(calmed(raw))
  }

  private func extensionFrame(_ kind: String) -> Frame {
    switch kind {
    case "PRIORITY_UPDATE": Frame(type: 0x10, payload: [0, 0, 0, 1] + Array("u=1".utf8))
    case "ALTSVC": Frame(type: 0xa, payload: [0, 1, 0x61] + Array("h2=\":1\"".utf8))
    case "ORIGIN": Frame(type: 0xc, payload: [0, 9] + Array("https://a".utf8))
    case "unknown": Frame(type: 0xfb, flags: 0xff, stream: 1)
    default: Frame(type: 0xb, stream: 7, payload: [UInt8](repeating: 1, count: 16_384))
    }
  }

  @Test(
    "floods of frames that a backend may send and that are of no use end its connection",
    arguments: [
      ("PRIORITY", 11_000), ("WINDOW_UPDATE", 110_000), ("PRIORITY_UPDATE", 11_000), ("ALTSVC", 11_000), ("ORIGIN", 11_000),
      ("unknown", 11_000),
    ] as [(String, Int)])
  func backendFloods(kind: String, limit: Int) {
    let raw = Raw(client: HTTP2Limits(abuse: .backend))
    let took = raw.flood(200_000) { _ in
      switch kind {
      case "PRIORITY": Frame(type: 2, stream: 1, payload: [0, 0, 0, 0, 15]).bytes
      case "WINDOW_UPDATE": Wire.windowUpdate(0, 1).bytes
      default: extensionFrame(kind).bytes
      }
    }
    #expect(took < limit)
    #expect(calmed(raw))
  }

  @Test("what browsers say of priorities, and a frame that nobody knows with each request, is passed over", arguments: [1, 4096])
  func honestExtensions(piece: Int) {
    let raw = Raw()
    raw.owner.forgets = true
    raw.owner.onHead = { [unowned raw] stream, _ in raw.session.respond(stream, endStream: true) { $0.status(204) } }
    for index in 0..<2000 {
      let id = UInt32(2 * index + 1)
      let update = Frame(type: 0x10, payload: Wire.integer(id) + Array("u=3, i".utf8)).bytes
      let bytes = update + Wire.headers(id, Wire.get).bytes + update + Frame(type: 0x4b, stream: id, payload: [1, 2, 3]).bytes + update
      var rest = bytes[...]
      while !rest.isEmpty {
        raw.receive(Array(rest.prefix(piece)))
        rest = rest.dropFirst(piece)
      }
      #expect(raw.pull().map(\.type) == [1])
    }
    #expect(raw.result == .ok)
  }

  @Test("a client that downloads may update its window and measure its path as often as it needs")
  func honestDownload() throws {
    let raw = Raw(settings: [(4, 65_535)])
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 1, count: 40_000_000))
      raw.session.end(stream)
    }
    raw.receive(Wire.headers(1, Wire.get))
    var received = 0
    while received < 40_000_000 {
      let count = raw.pull().filter { $0.type == 0 }.reduce(0) { $0 + $1.payload.count }
      try #require(count > 0)
      received += count
      raw.receive(
        Wire.windowUpdate(0, UInt32(count)), Wire.windowUpdate(1, UInt32(count)),
        Frame(type: 6, payload: [UInt8](repeating: 0, count: 8)))
      try #require(raw.result == .ok)
    }
    #expect(raw.owner.events.suffix(1) == ["1 closed"] || raw.session.wantsWrite)
  }

  @Test("a window of one byte at a time ends the connection")
  func tinyWindow() {
    let raw = Raw(settings: [(4, 0)])
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 1, count: 100_000))
    }
    raw.receive(Wire.headers(1, Wire.get))
    #expect(raw.flood(50_000) { _ in Wire.windowUpdate(1, 1).bytes } < 2200)
    #expect(calmed(raw))
  }

  @Test("a head of thousands of fields that cost a byte each ends the connection")
  func headerBomb() {
    let raw = Raw()
    // Put into the table once, then named by one byte each: index 62.
    let first = Wire.fields(Wire.get) + [0x40] + Wire.string(Array("a".utf8)) + Wire.string(Array("b".utf8))
    raw.receive(Frame(type: 1, flags: 5, stream: 1, payload: first))
    #expect(raw.owner.events.last == "1 GET example.com / a=b END")
    raw.receive(Frame(type: 1, flags: 5, stream: 3, payload: Wire.fields(Wire.get) + [UInt8](repeating: 0xbe, count: 300)))
    #expect(raw.owner.events.last == "3 refused headersTooLarge")
    raw.receive(Frame(type: 1, flags: 5, stream: 5, payload: Wire.fields(Wire.get) + [UInt8](repeating: 0xbe, count: 10_000)))
    #expect(calmed(raw))
  }

  @Test("cookie crumbs that cost a byte each are bounded as well")
  func cookieBomb() {
    let raw = Raw()
    let crumb = [0x40] + Wire.string(Array("cookie".utf8)) + Wire.string([UInt8](repeating: 97, count: 3000))
    raw.receive(Frame(type: 1, flags: 5, stream: 1, payload: Wire.fields(Wire.get) + crumb + [UInt8](repeating: 0xbe, count: 20)))
    #expect(raw.owner.events.last == "1 refused headersTooLarge")
    #expect((raw.owner.streams[1]?.headBytes.allocated ?? 0) <= 65_536)
    let many = Wire.fields(Wire.get) + crumb + [UInt8](repeating: 0xbe, count: 200)
    raw.receive(Frame(type: 1, flags: 5, stream: 3, payload: many))
    #expect(calmed(raw))
  }

  @Test("acknowledgements that the client does not read do not pile up")
  func unreadAcknowledgements() {
    let raw = Raw(server: HTTP2Limits(abuse: .backend))
    var frames = 0
    while raw.result == .ok, frames < 100_000 {
      raw.receive(Frame(type: 6, payload: [UInt8](repeating: 0, count: 8)))
      frames += 1
    }
    #expect(frames <= 102 && calmed(raw))
  }

  @Test("resets that the client does not read do not pile up: streams end when their reset is sent")
  func unreadResets() {
    let raw = Raw(server: HTTP2Limits(abuse: .backend))
    raw.owner.forgets = true
    raw.owner.keepsEvents = false
    for index in 0..<10_000 { raw.receive(Wire.headers(UInt32(2 * index + 1), Wire.get + [("connection", "x")])) }
    #expect(raw.session.streamCount <= 100)
    #expect(raw.pull().count <= 1001)
    #expect(raw.session.isFinished && raw.session.goAwayCode == .enhanceYourCalm)
  }

  @Test("a client that goes on opening more streams than it may is given up as one that provokes resets")
  func refusedStreams() {
    let raw = Raw(server: HTTP2Limits(streams: 2))
    let took = raw.flood(2000) { Wire.headers(UInt32(2 * $0 + 1), Wire.get).bytes }
    #expect(took >= 1000 && took <= 1003)
    #expect(raw.goAway == .enhanceYourCalm && raw.session.streamCount <= 2)
  }

  @Test("a bucket gives its burst, then its rate, and never more than its burst again")
  func bucket() {
    let rate = TokenBucket.Rate(burst: 3, perSecond: 2)
    var bucket = TokenBucket(rate)
    var now: UInt64 = 5000
    func taken() -> Int {
      var count = 0
      while bucket.take(rate, now: now) { count += 1 }
      return count
    }
    #expect(taken() == 3)
    now += 499
    #expect(taken() == 0)
    now += 1
    #expect(taken() == 1)
    now += 1_000_000
    #expect(taken() == 3)
    now -= 1000
    #expect(taken() == 0)
    bucket.give(2, rate)
    #expect(taken() == 2)
    now = .max
    #expect(taken() == 3)
  }
}
