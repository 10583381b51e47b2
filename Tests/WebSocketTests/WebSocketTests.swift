import Testing
import WebSocket

@Suite struct WebSocketTests {
  @Test func theAnswerOfTheRFC() {
    // RFC 6455 section 1.3.
    let key = Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)
    let accept = WebSocketKey.accept(key.span)
    #expect(String(decoding: accept, as: UTF8.self) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  }

  @Test func keysAreOfTheRightShapeAndNeverTheSame() {
    let keys = Set((0..<100).map { _ in WebSocketKey.make() })
    #expect(keys.count == 100)
    #expect(keys.allSatisfy { $0.count == WebSocketKey.length && $0.suffix(2) == [0x3d, 0x3d] })
  }

  /// Frames of every kind of length, masked and not.
  static let frames: [[UInt8]] = [
    [0x81, 0x00], [0x81, 0x05] + Array("hello".utf8), [0x89, 0x80, 1, 2, 3, 4], [0x82, 0x83, 1, 2, 3, 4, 9, 9, 9],
    [0x82, 126, 0x01, 0x00] + [UInt8](repeating: 0x88, count: 256),
    [0x82, 0x80 | 126, 0x00, 0x80, 1, 2, 3, 4] + [UInt8](repeating: 0x88, count: 128),
    [0x02, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70] + [UInt8](repeating: 0x88, count: 70_000),
    [0x80, 0x00],
  ]

  @Test(arguments: [1, 2, 3, 7, 1000, 1 << 20]) func boundariesAreFoundHoweverTheBytesCome(piece: Int) {
    var tracker = WebSocketFrames()
    for frame in Self.frames {
      #expect(tracker.isAtBoundary)
      var rest = frame[...]
      while !rest.isEmpty {
        let next = Array(rest.prefix(piece))
        rest = rest.dropFirst(piece)
        tracker.follow(next.span)
        #expect(tracker.isAtBoundary == rest.isEmpty)
      }
    }
    #expect(!tracker.hasClosed)
  }

  @Test func itStopsAtTheFirstBoundaryWhenAsked() {
    var tracker = WebSocketFrames()
    let bytes = Self.frames.flatMap { $0 }
    var position = 0
    var lengths: [Int] = []
    while position < bytes.count {
      let count = tracker.follow(bytes.span.extracting(position...), untilBoundary: true)
      #expect(tracker.isAtBoundary)
      lengths.append(count)
      position += count
    }
    #expect(lengths == Self.frames.map(\.count))
  }

  @Test func aCloseFrameIsSeen() {
    var tracker = WebSocketFrames()
    let close = WebSocketClose.frame(WebSocketClose.policyViolation, "over")
    #expect(close == [0x88, 6, 0x03, 0xf0] + Array("over".utf8))
    tracker.follow(close.span)
    #expect(tracker.hasClosed && tracker.isAtBoundary)
  }

  @Test func towardsABackendItIsMasked() {
    let frame = WebSocketClose.maskedFrame(WebSocketClose.policyViolation, "over")
    #expect(frame.prefix(2) == [0x88, 0x86])
    let mask = Array(frame[2..<6])
    #expect(frame[6...].enumerated().map { $0.element ^ mask[$0.offset & 3] } == [0x03, 0xf0] + Array("over".utf8))
  }

  @Test func aLengthThatCannotBeHasNoEnd() {
    var tracker = WebSocketFrames()
    let bytes: [UInt8] = [0x82, 0xff] + [UInt8](repeating: 0xff, count: 8) + [UInt8](repeating: 0, count: 4096)
    tracker.follow(bytes.span)
    #expect(!tracker.isAtBoundary)
  }
}
