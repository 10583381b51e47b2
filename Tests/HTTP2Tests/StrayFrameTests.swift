import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Frames for streams that are gone")
struct StrayFrameTests {
  /// Has answered stream 1 whole; both sides have ended it.
  private func answered(_ id: UInt32 = 1) -> Raw {
    let raw = Raw()
    raw.receive(Wire.headers(id, Wire.get))
    raw.session.respond(raw.owner.streams[Int32(id)]!, endStream: true) { $0.status(200) }
    _ = raw.pull()
    #expect(raw.session.streamCount == 0)
    return raw
  }

  private func end(_ raw: Raw) -> HTTP2ErrorCode? {
    _ = raw.pull()
    return raw.session.goAwayCode
  }

  @Test("a closed stream takes nothing more", arguments: ["HEADERS", "DATA"])
  func closed(kind: String) {
    let raw = answered()
    raw.receive(kind == "DATA" ? Wire.data(1, [1]) : Wire.headers(1, Wire.get))
    #expect(end(raw) == .streamClosed)
  }

  @Test("a stream that was passed over cannot be opened", arguments: ["HEADERS", "DATA"])
  func skipped(kind: String) {
    let raw = answered(5)
    raw.receive(kind == "DATA" ? Wire.data(3, [1]) : Wire.headers(3, Wire.get))
    #expect(end(raw) == .protocolError)
  }

  @Test("what was on its way to a stream that we have reset is passed over")
  func crossing() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    raw.session.reset(raw.owner.streams[1]!, .noError)
    _ = raw.pull()
    raw.receive(Wire.data(1, [1, 2, 3]), Wire.headers(1, [("x-a", "b")]))
    #expect(raw.result == .ok && end(raw) == nil)
    raw.receive(Wire.headers(3, Wire.get))
    #expect(raw.session.streamCount == 1)
  }

  @Test("but not for ever", arguments: ["HEADERS", "DATA"])
  func crossingForEver(kind: String) {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    raw.session.reset(raw.owner.streams[1]!, .noError)
    _ = raw.pull()
    let took = raw.flood(10_000) { _ in (kind == "DATA" ? Wire.data(1, [1]) : Wire.headers(1, [("x-a", "b")])).bytes }
    #expect(took == 2000 && raw.session.goAwayCode == .enhanceYourCalm)
  }

  @Test("of more resets than are remembered, none makes an error of what crosses it")
  func manyResets() {
    let raw = Raw()
    for index in 0..<StreamHistory.remembered * 2 {
      let id = UInt32(2 * index + 1)
      raw.receive(Wire.headers(id, Wire.post, endStream: false))
      raw.session.reset(raw.owner.streams[Int32(id)]!, .noError)
      _ = raw.pull()
    }
    for index in 0..<StreamHistory.remembered * 2 { raw.receive(Wire.data(UInt32(2 * index + 1), [1], endStream: true)) }
    #expect(raw.result == .ok && end(raw) == nil)
  }

  @Test("behind its own reset a client sends nothing")
  func behindReset() {
    let raw = Raw()
    raw.owner.forgets = true
    raw.receive(Wire.headers(1, Wire.post, endStream: false), Wire.reset(1))
    _ = raw.pull()
    raw.receive(Wire.data(1, [1]))
    #expect(raw.pull() == [Wire.reset(1, 5)])
    raw.receive(Wire.headers(3, Wire.get))
    #expect(raw.session.streamCount == 1 && end(raw) == nil)
  }

  @Test("what a client sends before it has seen the GOAWAY is passed over")
  func behindGoAway() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.get))
    raw.session.goAway()
    _ = raw.pull()
    raw.receive(Wire.headers(3, Wire.post, endStream: false), Wire.data(3, [1, 2, 3]), Wire.headers(3, [("x-a", "b")]))
    raw.receive(Wire.headers(5, Wire.get))
    #expect(raw.result == .ok && raw.session.goAwayCode == .noError && raw.session.streamCount == 1)
    raw.session.respond(raw.owner.streams[1]!, endStream: true) { $0.status(200) }
    _ = raw.pull()
    #expect(raw.session.isFinished)
  }

  @Test("PRIORITY belongs to a stream")
  func priorityOnZero() {
    let raw = Raw()
    raw.receive(Frame(type: 2, stream: 0, payload: [0, 0, 0, 0, 7]))
    #expect(end(raw) == .protocolError)
  }

  @Test("GOAWAY is said once or twice")
  func goAways() {
    let raw = Raw()
    raw.receive(Wire.headers(1, Wire.get))
    let took = raw.flood(1000) { _ in Frame(type: 7, payload: [0, 0, 0, 0, 0, 0, 0, 0]).bytes }
    #expect(took < 60 && raw.session.goAwayCode == .enhanceYourCalm)
  }
}

@Suite("What a client has begun to send")
struct UnfinishedHeadTests {
  private func unfinished(_ pieces: [UInt8]...) -> [UInt32?] {
    var cursor = FrameCursor(preface: 3)
    var result = [cursor.unfinished]
    for piece in pieces {
      piece.withUnsafeBufferPointer { bytes in
        var index = 0
        while cursor.nextHeaders(bytes, &index, judge: { _, _ in .passes }) != nil {}
      }
      result.append(cursor.unfinished)
    }
    return result
  }

  private let ping = Frame(type: 6, payload: [1, 2, 3, 4, 5, 6, 7, 8]).bytes

  @Test("the preface")
  func preface() {
    #expect(unfinished([1], [2], [3]) == [0, 0, 0, nil])
  }

  @Test("a frame that is cut, in its header and behind", arguments: 1..<17)
  func cut(at count: Int) {
    let seen = unfinished([1, 2, 3], Array(ping[..<count]), Array(ping[count...]), ping, Array(ping[..<count]))
    #expect(seen == [0, nil, 1, nil, nil, 3])
  }

  @Test("a field section in several frames is one thing, however it is cut", arguments: [1, 2, 3, 5, 8, 100])
  func section(piece: Int) {
    let bytes =
      Wire.headers(1, Wire.get, endHeaders: false).bytes + Frame(type: 9, stream: 1, payload: [1]).bytes
      + Frame(type: 9, flags: 4, stream: 1).bytes
    var cursor = FrameCursor(preface: 0)
    for start in stride(from: 0, to: bytes.count, by: piece) {
      #expect(cursor.unfinished == (start == 0 ? nil : 1))
      bytes[start..<min(start + piece, bytes.count)].withUnsafeBufferPointer { bytes in
        var index = 0
        while cursor.nextHeaders(bytes, &index, judge: { _, _ in .passes }) != nil {}
      }
    }
    #expect(cursor.unfinished == nil)
  }

  @Test("content may take its time")
  func content() {
    let data = Wire.data(1, [1, 2, 3]).bytes
    #expect(unfinished([1, 2, 3], Array(data[..<9]), Array(data[9...])) == [0, nil, nil, nil])
    #expect(unfinished([1, 2, 3], Array(data[..<5]), Array(data[5..<10])) == [0, nil, 1, nil])
  }
}
