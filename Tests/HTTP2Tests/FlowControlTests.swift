import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Flow control")
struct FlowControlTests {
  @Test("a server that consumes nothing receives one stream window and no more")
  func slowReader() throws {
    let pair = Pair(server: HTTP2Limits(streamWindow: 65_535))
    pair.serverOwner.consumes = false
    let stream = try #require(pair.request(.post, "/", endStream: false))
    Pair.send(pair.client, stream, [UInt8](repeating: 1, count: 1_000_000))
    pair.run()
    #expect(pair.serverOwner.bodies[1]?.count == 65_535)
    #expect(pair.serverOwner.streams[1]?.unconsumed == 65_535)
    #expect(stream.pendingOutput == 1_000_000 - 65_535)
    // What is consumed comes again, and only that.
    pair.server.consume(pair.serverOwner.streams[1]!, 40_000)
    pair.run()
    #expect(pair.serverOwner.bodies[1]?.count == 105_535)
    // More than there is cannot be consumed.
    pair.server.consume(pair.serverOwner.streams[1]!, 10_000_000)
    pair.run()
    #expect(pair.serverOwner.bodies[1]?.count == 171_070)
  }

  @Test("a client that reads slowly leaves the rest with the server, which says when it drained")
  func slowClient() throws {
    let pair = Pair(client: HTTP2Limits(streamWindow: 65_535, abuse: .backend))
    pair.clientOwner.consumes = false
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(pair.server, stream, [UInt8](repeating: 1, count: 100_000))
    }
    let stream = try #require(pair.request())
    pair.run()
    let served = try #require(pair.serverOwner.streams[1])
    #expect(served.pendingOutput == 100_000 - 65_535)
    #expect(!pair.serverOwner.events.contains("1 drained"))
    pair.client.consume(stream, 65_535)
    pair.run()
    #expect(served.pendingOutput == 0)
    #expect(pair.serverOwner.events.filter { $0 == "1 drained" }.count == 1)
  }

  @Test("a stream that ends gives its share of the connection's window back")
  func windowOfTheDead() throws {
    let pair = Pair(server: HTTP2Limits(streamWindow: 65_535, connectionWindow: 65_535))
    pair.serverOwner.consumes = false
    for round in 0..<20 {
      let stream = try #require(pair.request(.post, "/", endStream: false))
      Pair.send(pair.client, stream, [UInt8](repeating: 1, count: 60_000))
      pair.run()
      #expect(pair.serverOwner.bodies[stream.id]?.count == 60_000, "round \(round)")
      if round % 2 == 0 {
        pair.client.reset(stream, .cancel)
      } else {
        pair.server.reset(pair.serverOwner.streams[stream.id]!, .cancel)
      }
      pair.run()
      #expect(pair.server.streamCount == 0 && pair.client.streamCount == 0)
    }
  }

  /// A client that has asked for `bytes` on each of so many streams, and holds what it gets of them but of the last.
  private func answers(_ count: Int, of bytes: Int, client: HTTP2Limits, keeps: Bool) throws -> (Pair, last: HTTP2Stream, kept: () -> Int) {
    let pair = Pair(client: client)
    var streams: [HTTP2Stream] = []
    var kept = 0
    pair.clientOwner.consumes = false
    pair.clientOwner.onContent = { [unowned pair] in if $0 === streams.last { pair.client.consume($0, $0.unconsumed) } }
    pair.clientOwner.onClosed = { [unowned pair] in if keeps { kept += pair.client.keepContent(of: $0) } }
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      pair.server.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(pair.server, stream, [UInt8](repeating: 1, count: stream.id == 2 * count - 1 ? 1_000_000 : bytes))
      pair.server.end(stream)
    }
    for _ in 0..<count { streams.append(try #require(pair.request())) }
    return (pair, streams[count - 1], { kept })
  }

  @Test("what is held of streams that have ended counts against the connection's window until it has gone")
  func windowOfTheEnded() throws {
    let window = 10 * 16_384
    let limits = HTTP2Limits(streamWindow: 65_535, connectionWindow: window, abuse: .backend)
    let (pair, _, kept) = try answers(40, of: 10_000, client: limits, keeps: true)
    pair.run()
    #expect(pair.client.held <= window && pair.client.held > window - 16_384 && pair.client.isWindowSpent)
    #expect(kept() > window - 3 * 16_384)
    var taken = 0
    while pair.client.held > 0 {
      let round = kept()
      try #require(round > taken)
      pair.client.consumeKept(round - taken)
      taken = round
      pair.run()
      #expect(pair.client.held <= window)
    }
    #expect(taken == 39 * 10_000 && pair.client.streamCount == 0 && !pair.client.isWindowSpent)
    // More than was kept cannot be given back.
    pair.client.consumeKept(1_000_000)
    #expect(pair.client.held == 0)
  }

  @Test("what is held of streams that have ended is dropped with them, if nobody says that it is kept")
  func windowOfTheForgotten() throws {
    let limits = HTTP2Limits(streamWindow: 65_535, connectionWindow: 10 * 16_384, abuse: .backend)
    let (pair, _, _) = try answers(40, of: 10_000, client: limits, keeps: false)
    pair.run()
    #expect(pair.client.held == 0 && pair.client.streamCount == 0)
  }

  @Test("streams that nobody reads, and hold more than half of the window, do not starve the others", arguments: [55, 75, 88])
  func windowOfTheHalf(percent: Int) throws {
    let window = 20 * 16_384
    let limits = HTTP2Limits(streamWindow: 65_535, connectionWindow: window, abuse: .backend)
    let (pair, last, _) = try answers(6, of: window * percent / 500, client: limits, keeps: true)
    pair.run()
    #expect(pair.client.held == 5 * (window * percent / 500))
    #expect(pair.clientOwner.bodies[last.id]?.count == 1_000_000)
    #expect(!last.isOpen)
  }

  @Test("content for backends that nobody takes does not starve what the client sends to others")
  func windowOfTheServer() throws {
    let window = 20 * 16_384
    let pair = Pair(server: HTTP2Limits(streamWindow: 65_535, connectionWindow: window))
    pair.serverOwner.consumes = false
    pair.serverOwner.onContent = { [unowned pair] in if $0.id > 7 { pair.server.consume($0, $0.unconsumed) } }
    for _ in 0..<4 {
      Pair.send(pair.client, try #require(pair.request(.post, "/", endStream: false)), [UInt8](repeating: 1, count: 60_000))
    }
    pair.run()
    #expect(pair.server.held == 240_000)
    Pair.send(pair.client, try #require(pair.request(.post, "/", endStream: false)), [UInt8](repeating: 1, count: 1_000_000))
    pair.run()
    #expect(pair.serverOwner.bodies[9]?.count == 1_000_000 && pair.server.held == 240_000)
  }

  @Test("a window is given back before its half when the peer can send less than a frame, and could send one")
  func offers() {
    let frame = WindowOffer.frame
    #expect(WindowOffer.size(left: frame, received: 1_000_000, held: 0) == 0)
    #expect(WindowOffer.size(left: frame - 1, received: 1_000_000, held: 400_000) == 600_000)
    #expect(WindowOffer.size(left: frame - 1, received: 10, held: 10) == 0)
    #expect(WindowOffer.size(left: frame - 1, received: 10, held: 9) == 1)
    #expect(WindowOffer.size(left: 10, received: frame, held: 11) == 0)
    #expect(WindowOffer.size(left: 10, received: frame, held: 10) == frame - 10)
    #expect(WindowOffer.size(left: 0, received: 10, held: 1_000_000) == 0)
    #expect(WindowOffer.size(left: -frame, received: frame, held: 0) == 0)
  }

  @Test("content of a refused head is taken and forgotten, however much there is")
  func discarded() throws {
    let pair = Pair(server: HTTP2Limits(uriBytes: 10, connectionWindow: 65_535))
    pair.serverOwner.onHead = { stream, _ in #expect(stream.headRefusal == .uriTooLong) }
    let stream = try #require(pair.request(.post, "/0123456789", endStream: false))
    Pair.send(pair.client, stream, [UInt8](repeating: 1, count: 500_000))
    pair.client.end(stream)
    pair.run()
    #expect(pair.serverOwner.events == ["1 refused uriTooLong"])
    #expect(pair.serverOwner.bodies.isEmpty && stream.pendingOutput == 0)
  }

  @Test("discardContent lets the rest pass and calls nobody")
  func discardLater() throws {
    let pair = Pair(server: HTTP2Limits(connectionWindow: 65_535))
    pair.serverOwner.consumes = false
    pair.serverOwner.onContent = { [unowned pair] in pair.server.discardContent($0) }
    let stream = try #require(pair.request(.post, "/", endStream: false))
    Pair.send(pair.client, stream, [UInt8](repeating: 1, count: 500_000))
    pair.client.end(stream)
    pair.run()
    #expect(stream.pendingOutput == 0)
    #expect((pair.serverOwner.bodies[1]?.count ?? 0) <= 16_384)
    #expect(pair.serverOwner.events == ["1 POST example.com /"])
  }

  @Test("padding does not use the window up")
  func padding() {
    let raw = Raw(server: HTTP2Limits(streamWindow: 65_535, connectionWindow: 65_535))
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    for _ in 0..<2000 {
      raw.receive(Frame(type: 0, flags: 8, stream: 1, payload: [255, 1] + [UInt8](repeating: 0, count: 255)))
      _ = raw.drain()
    }
    #expect(raw.result == .ok && !raw.session.isFinished)
    #expect(raw.owner.bodies[1]?.count == 2000)
  }

  @Test("more than the window is an error of the peer, and at most one frame of it is handed over")
  func overflow() {
    let raw = Raw(server: HTTP2Limits(streamWindow: 65_535, connectionWindow: 1 << 20))
    raw.owner.consumes = false
    raw.receive(Wire.headers(1, Wire.post, endStream: false))
    for _ in 0..<5 { raw.receive(Wire.data(1, [UInt8](repeating: 1, count: 16_384))) }
    let frames = raw.pull()
    #expect(frames.contains { $0.type == 3 && $0.code == 3 } || raw.goAway == .flowControlError)
    #expect((raw.owner.bodies[1]?.count ?? 0) <= 65_535 + 16_384)
  }

  @Test("pull stops at its budget, by less than a frame, and goes on where it stopped")
  func budget() throws {
    let raw = Raw(settings: [(4, 1 << 30)])
    raw.receive(Wire.windowUpdate(0, 1 << 30))
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, (0..<300_000).map { UInt8(truncatingIfNeeded: $0) })
      raw.session.end(stream)
    }
    raw.receive(Wire.headers(1, Wire.get))
    var bytes: [UInt8] = []
    while raw.session.wantsWrite {
      let piece = raw.drain(30_000)
      try #require(!piece.isEmpty)
      #expect(piece.count < 30_000 + 16_384 + 9)
      bytes += piece
    }
    let body = Wire.frames(bytes).filter { $0.type == 0 }.flatMap(\.payload)
    #expect(body == (0..<300_000).map { UInt8(truncatingIfNeeded: $0) })
    #expect(raw.owner.events.suffix(1) == ["1 closed"])
  }

  @Test("a stream reset between two pulls takes its begun frame with it")
  func resetBetweenPulls() {
    let raw = Raw(settings: [(4, 1 << 30)])
    raw.receive(Wire.windowUpdate(0, 1 << 30))
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 1, count: 100_000))
    }
    raw.receive(Wire.headers(1, Wire.get))
    _ = raw.drain(20_000)
    raw.receive(Wire.reset(1))
    #expect(raw.owner.events.suffix(2) == ["1 reset 8", "1 closed"])
    #expect(raw.pull().allSatisfy { $0.type != 0 })
    raw.receive(Wire.headers(3, Wire.get))
    #expect(raw.pull().contains { $0.type == 0 && $0.stream == 3 })
  }

  @Test("a stream without window is known, and how much of it was sent; the connection is not stalled for that")
  func spentStream() {
    let raw = Raw(settings: [(4, 0)])
    var answered: HTTP2Stream?
    raw.owner.onHead = { [unowned raw] stream, _ in
      answered = stream
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [1, 2, 3])
    }
    raw.receive(Wire.headers(1, Wire.get))
    #expect(raw.pull().map(\.type) == [1])
    guard let stream = answered else { return #expect(Bool(false)) }
    #expect(raw.session.isWindowSpent(stream) && stream.contentSent == 0)
    #expect(raw.session.connectionStall(now: 100) == nil)
    raw.receive(Wire.windowUpdate(1, 2))
    #expect(raw.pull().map(\.payload) == [[1, 2]])
    #expect(raw.session.isWindowSpent(stream) && stream.contentSent == 2)
    raw.receive(Wire.windowUpdate(1, 2))
    _ = raw.drain()
    #expect(!raw.session.isWindowSpent(stream) && stream.contentSent == 3)
  }

  @Test("a connection without window is known to be stalled, until it gets some")
  func stalls() {
    let raw = Raw(settings: [(4, 1 << 20)])
    raw.owner.onHead = { [unowned raw] stream, _ in
      raw.session.respond(stream, endStream: false) { $0.status(200) }
      Pair.send(raw.session, stream, [UInt8](repeating: 7, count: 65_535 + 3))
    }
    #expect(raw.session.connectionStall(now: 10) == nil)
    raw.receive(Wire.headers(1, Wire.get))
    _ = raw.drain()
    #expect(raw.session.connectionStall(now: 100) == 100)
    #expect(raw.session.connectionStall(now: 900) == 100)
    raw.receive(Wire.windowUpdate(0, 2))
    #expect(raw.pull().map(\.payload.count) == [2])
    #expect(raw.session.connectionStall(now: 1000) == 1000)
    raw.receive(Wire.windowUpdate(0, 2))
    _ = raw.drain()
    #expect(raw.session.connectionStall(now: 2000) == nil)
  }
}
