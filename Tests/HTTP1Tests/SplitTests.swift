import HTTP
import Testing

@testable import HTTP1

@Suite("How bytes arrive")
struct SplitTests {
  static let requests = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nPOST /a?b HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\nConnection: close, X-a\r\nX-A: b\r\n\r\n5\r\n",
    "GET /long HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + String(repeating: "abcdefgh", count: 60) + "\r\nX: \t\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{0}\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
    "GET / HTTP/3.1\r\n\r\n", "GET / HTTP/1.1\r\nX: " + String(repeating: "y", count: 700) + "\r\n\r\n",
    "GET /" + String(repeating: "y", count: 400),
    "no request at all\r\n", "GET / HTTP/1.1\r\nHost: a", "\r\n\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r",
    "GET / HTTP/1.1\r\nHost: a\r\n\rx\r\n",
    // Found by fuzzing: a piece that ended in a bare LF hid it from the next look.
    "GET / HTTP/1.1\r\nConnection: c\nConten",
  ]
  static let limits = HeadLimits(headerBytes: 640, headerCount: 10, uriBytes: 300)

  /// Up to eight places to cut, in order.
  static func cuts(of count: Int, using random: inout SplitMix) -> [Int] {
    (0..<Int.random(in: 0...8, using: &random)).map { _ in Int.random(in: 0...count, using: &random) }.sorted()
  }

  @Test("a request head reads the same in pieces of any size", arguments: requests)
  func requestPieces(text: String) {
    let bytes = Array(text.utf8)
    let whole = Wire.request(bytes, limits: Self.limits)
    for size in 1...bytes.count {
      let cuts = Array(stride(from: size, to: bytes.count, by: size))
      #expect(Wire.request(bytes, cuts: cuts, limits: Self.limits) == whole)
    }
  }

  @Test("mutated heads read the same in pieces of any size")
  func mutatedRequests() {
    var random = SplitMix(state: 11)
    for _ in 0..<3000 {
      var bytes = Array(Self.requests.randomElement(using: &random)!.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        bytes[index] = [0, 9, 10, 13, 32, 58, 65, 127, 200].randomElement(using: &random)!
      }
      let whole = Wire.request(bytes, limits: Self.limits)
      let cut = Wire.request(bytes, cuts: Self.cuts(of: bytes.count, using: &random), limits: Self.limits)
      #expect(cut == whole)
    }
  }

  @Test(
    "a response head reads the same in pieces of any size",
    arguments: [
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 OK\nX: y\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 700) + "\r\n\r\n", "HTTP/1.1 200 OK\r\nX\r\n\r\n",
      // Found by fuzzing: a piece that ended in a bare LF hid it from the next look.
      "HTTP/1.0 280\r\nConnuction: kee\nTrans?",
    ])
  func responsePieces(text: String) {
    let bytes = Array(text.utf8)
    let whole = Wire.response(bytes, limits: Self.limits)
    for size in 1...bytes.count {
      #expect(Wire.response(bytes, cuts: Array(stride(from: size, to: bytes.count, by: size)), limits: Self.limits) == whole)
    }
  }

  @Test(
    "chunked content reads the same in pieces of any size",
    arguments: [
      "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX: y\r\n\r\nGET", "5\r\nhello0\r\n\r\n", "5\r\nhello\r\n1 \r\n",
      "0\r\nHost: a\r\n\r\n", "1;" + String(repeating: "a", count: 1100),
      "0\r\nA: " + String(repeating: "b", count: 8500), "5\r\nhel",
    ])
  func chunkPieces(text: String) {
    let bytes = Array(text.utf8)
    let whole = Wire.chunks(bytes)
    for size in 1...min(bytes.count, 50) {
      #expect(Wire.chunks(bytes, cuts: Array(stride(from: size, to: bytes.count, by: size))) == whole)
    }
  }
}

/// A small generator with a seed, so that a failure repeats.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
