import Bytes
import HTTP
import HTTP2
import Testing

@Suite("Heads that wait to be sent")
struct PendingHeadTests {
  /// A value that says whose it is, all along: part of another's would show.
  private static func value(_ number: Int, _ size: Int) -> String { String(repeating: "\(number).", count: size) }

  private static func field(_ sink: inout FieldSink, _ name: StaticString, _ value: String) {
    var value = value
    value.withUTF8 { sink.field(name, $0) }
  }

  @Test("each says what it was given, however many wait, in whatever pieces they go, whatever is given up", arguments: 0..<60)
  func heads(seed: Int) throws {
    var random = Random(state: UInt64(seed))
    var limits = HTTP2Limits(headerBytes: 16 << 10, streams: 60)
    limits.abuse = .backend
    let pair = Pair(server: limits, client: limits)
    pair.run()
    // By stream: the number in its request, and in its answer.
    var asked: [Int32: (number: Int, size: Int)] = [:]
    pair.serverOwner.onHead = { [unowned pair] stream, _ in
      guard let (number, size) = asked[stream.id] else { return }
      if number % 7 == 3 { return _ = pair.server.reset(stream, .cancel) }
      if number % 5 == 0 {
        pair.server.interim(stream) {
          $0.status(103)
          Self.field(&$0, "X-Early", Self.value(number, 9))
        }
      }
      pair.server.respond(stream, endStream: number % 2 == 0) {
        $0.status(200)
        Self.field(&$0, "X-Answer", Self.value(number, size))
      }
      if number % 2 == 1 { pair.server.trailers(stream) { Self.field(&$0, "X-Trailer", Self.value(number, 3)) } }
    }
    var number = 0
    for _ in 0..<40 {
      for _ in 0..<random.below(30) {
        number += 1
        let size = [1, 20, 300, 1_400][random.below(4)]
        let stream = pair.client.request(method: .get, endStream: true) { [number] sink in
          for (name, value) in Pair.pseudoHeaders { sink.field(name, value) }
          Self.field(&sink, "X-Ask", Self.value(number, size))
        }
        guard let stream else { continue }
        asked[stream.id] = (number, size)
        // Before its HEADERS are sent, or a while after.
        if random.below(8) == 0 { pair.client.reset(stream, .cancel) }
      }
      pair.budget = 1 + random.below(3) * random.below(9_000)
      for _ in 0..<random.below(6) { pair.step() }
    }
    pair.budget = .max / 2
    pair.run()
    var heads = (asked: 0, answered: 0)
    for event in pair.serverOwner.events where event.contains(" x-ask=") {
      let id = try #require(Int32(event.prefix { $0 != " " }))
      let (number, size) = try #require(asked[id])
      #expect(event.contains(" x-ask=\(Self.value(number, size)) END"))
      heads.asked += 1
    }
    for event in pair.clientOwner.events {
      let id = try #require(Int32(event.prefix { $0 != " " }))
      guard let (number, size) = asked[id] else { continue }
      if event.contains(" 200 ") {
        #expect(event.hasPrefix("\(id) 200 x-answer=\(Self.value(number, size))"))
        heads.answered += 1
      } else if event.contains(" 103 ") {
        #expect(event == "\(id) 103 x-early=\(Self.value(number, 9))")
      } else if event.contains(" trailer ") {
        #expect(event == "\(id) trailer x-trailer=\(Self.value(number, 3))")
      }
    }
    #expect(heads.asked > 20 && heads.answered > 10)
    #expect(pair.client.heldForHeads == 0 && pair.server.heldForHeads == 0, "nothing is held when all have gone")
  }

  @Test("a head that finds no room is copied as it always was")
  func room() {
    let pair = Pair(server: HTTP2Limits(headerBytes: 1 << 20), client: HTTP2Limits(pendingHeadBytes: 1 << 20, abuse: .backend))
    pair.run()
    // More than a block, and then more than all blocks together.
    for size in [9_000] + Array(repeating: 5_000, count: 60) {
      let stream = pair.client.request(method: .get, endStream: true) { sink in
        for (name, value) in Pair.pseudoHeaders { sink.field(name, value) }
        Self.field(&sink, "X-Ask", Self.value(1, size))
      }
      #expect(stream != nil)
    }
    #expect(pair.client.heldForHeads == 16)
    pair.run()
    #expect(pair.serverOwner.events.filter { $0.contains(Self.value(1, 5_000)) }.count == 61)
    #expect(pair.client.heldForHeads == 0)
  }

  @Test("when many of them wait no stream is opened, until all have gone")
  func bound() {
    let pair = Pair(server: HTTP2Limits(headerBytes: 1 << 20), client: HTTP2Limits(pendingHeadBytes: 30_000, abuse: .backend))
    pair.run()
    func ask() -> HTTP2Stream? {
      pair.client.request(method: .get, endStream: true) { sink in
        for (name, value) in Pair.pseudoHeaders { sink.field(name, value) }
        Self.field(&sink, "X-Ask", Self.value(1, 5_000))
      }
    }
    // Those that are given up wait as well.
    for _ in 0..<3 { if let stream = ask() { pair.client.reset(stream, .cancel) } }
    #expect(pair.client.holdsManyHeads && !pair.client.canOpenStream && ask() == nil)
    pair.run()
    #expect(!pair.client.holdsManyHeads && ask() != nil)
  }
}
