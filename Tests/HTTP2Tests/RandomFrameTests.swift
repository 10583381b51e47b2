import Bytes
import HTTP
import HTTP2
import Testing

/// Repeatable random numbers (SplitMix64).
struct Random {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

@Suite("Anything at all")
struct RandomFrameTests {
  @Test("random frames never trap, and every stream that began has ended when the connection has", arguments: 0..<200)
  func frames(seed: Int) {
    var random = Random(state: UInt64(seed))
    let raw = seed % 3 == 2 ? Raw(client: HTTP2Limits(abuse: .backend)) : Raw()
    let owner = raw.owner
    owner.consumes = random.below(2) == 0
    owner.onHead = { [unowned raw] stream, _ in
      if raw.session.role == .client { return }
      switch random.below(6) {
      case 0: raw.session.reset(stream, .cancel)
      case 1: raw.session.respond(stream, endStream: true) { $0.status(200) }
      case 2: break
      default:
        raw.session.respond(stream, endStream: false) { $0.status(200) }
        Pair.send(raw.session, stream, [UInt8](repeating: 1, count: random.below(100_000)))
        if random.below(2) == 0 { raw.session.end(stream) } else { raw.session.trailers(stream) { $0.field("a", "b") } }
      }
    }
    var opened = 0
    for _ in 0..<120 {
      if raw.session.role == .client, random.below(3) == 0 {
        let stream = raw.session.request(method: .get, endStream: random.below(2) == 0) { sink in
          sink.field(":method", "GET")
          sink.field(":scheme", "https")
          sink.field(":authority", "a")
          sink.field(":path", "/")
        }
        if let stream { Pair.send(raw.session, stream, [UInt8](repeating: 2, count: random.below(9000))) }
      }
      var bytes = frame(&random, raw.session.role, &opened)
      if random.below(40) == 0, !bytes.isEmpty { bytes[random.below(bytes.count)] ^= UInt8(1 << random.below(8)) }
      while !bytes.isEmpty {
        let size = random.below(2) == 0 ? bytes.count : 1 + random.below(bytes.count)
        raw.receive(Array(bytes.prefix(size)))
        bytes.removeFirst(size)
      }
      if random.below(3) == 0 { _ = raw.drain(1 + random.below(20_000)) }
      raw.now += UInt64(random.below(50))
    }
    raw.session.abandon()
    #expect(raw.session.streamCount == 0)
    for id in owner.streams.keys { #expect(owner.events.filter { $0 == "\(id) closed" }.count == 1) }
  }

  private func frame(_ random: inout Random, _ role: HTTP2Session.Role, _ opened: inout Int) -> [UInt8] {
    let known = UInt32(2 * random.below(opened + 2) + 1)
    switch random.below(14) {
    case 0, 1, 2:
      if role == .client { return Wire.headers(known, [(":status", "200"), ("x", "y")], endStream: random.below(2) == 0).bytes }
      opened += 1
      let fields = random.below(5) == 0 ? Wire.get + [("connection", "x")] : Wire.post
      return Wire.headers(UInt32(2 * opened + 1), fields, endStream: random.below(2) == 0).bytes
    case 3, 4: return Wire.data(known, [UInt8](repeating: 5, count: random.below(4000)), endStream: random.below(3) == 0).bytes
    case 5: return Wire.reset(known, UInt32(random.below(14))).bytes
    case 6: return Wire.windowUpdate(random.below(2) == 0 ? 0 : known, UInt32(1 + random.below(50_000))).bytes
    case 7: return Wire.settings([(4, UInt32(random.below(100_000)))]).bytes
    case 8: return Frame(type: 6, payload: [UInt8](repeating: 1, count: 8)).bytes
    case 9: return Frame(type: 2, stream: known, payload: [0, 0, 0, 1, 3]).bytes
    case 10: return Frame(type: 0, flags: 8, stream: known, payload: [2, 1, 0, 0]).bytes
    case 11: return Wire.headers(known, [("x-trailer", "1")]).bytes
    case 12 where random.below(20) == 0: return Frame(type: 7, payload: Wire.integer(known) + Wire.integer(0)).bytes
    default: return Frame(type: UInt8(random.below(20) + 10), stream: known, payload: [1, 2, 3]).bytes
    }
  }
}
