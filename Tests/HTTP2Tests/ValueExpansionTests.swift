import Bytes
import CLinux
import CNghttp2
import HTTP
import HTTP2
import Testing

/// HPACK by nghttp2 itself, for what a client of it sends.
private final class Deflater {
  private var handle: OpaquePointer?

  init() { nghttp2_hd_deflate_new(&handle, 4096) }
  deinit { nghttp2_hd_deflate_del(handle) }

  /// A field section. Huffman coding wherever it is shorter; `isSensitive` fields stay out of the table.
  func section(_ fields: [(String, String)], isSensitive: Bool = true) -> [UInt8] {
    let flags = UInt8((isSensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE).rawValue)
    let copies = fields.map { (strdup($0.0)!, strdup($0.1)!) }
    defer {
      for (name, value) in copies {
        free(name)
        free(value)
      }
    }
    let list = copies.map { name, value in
      nghttp2_nv(
        name: UnsafeMutableRawPointer(name).assumingMemoryBound(to: UInt8.self),
        value: UnsafeMutableRawPointer(value).assumingMemoryBound(to: UInt8.self), namelen: strlen(name), valuelen: strlen(value),
        flags: flags)
    }
    var out = [UInt8](repeating: 0, count: 20_000)
    let count = nghttp2_hd_deflate_hd(handle, &out, out.count, list, list.count)
    return Array(out.prefix(count))
  }
}

/// What nghttp2 reads in the field sections of a connection, one after another.
private final class Inflater {
  private var handle: OpaquePointer?

  init() { nghttp2_hd_inflate_new(&handle) }
  deinit { nghttp2_hd_inflate_del(handle) }

  /// `name: value!`, the mark where it must not be kept; nil when the section is not in order.
  func fields(_ section: [UInt8]) -> [String]? {
    var result: [String] = []
    var rest = section[...]
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let count = rest.withUnsafeBufferPointer { nghttp2_hd_inflate_hd2(handle, &field, &flags, $0.baseAddress, $0.count, 1) }
      guard count >= 0 else { return nil }
      rest = rest.dropFirst(count)
      if UInt32(flags) & NGHTTP2_HD_INFLATE_EMIT.rawValue != 0 {
        let name = text(UnsafeBufferPointer(start: field.name, count: field.namelen))
        let value = text(UnsafeBufferPointer(start: field.value, count: field.valuelen))
        result.append("\(name): \(value)\(field.flags & UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue) != 0 ? "!" : "")")
      }
      if UInt32(flags) & NGHTTP2_HD_INFLATE_FINAL.rawValue != 0 { break }
      if count == 0, rest.isEmpty { return nil }
    }
    nghttp2_hd_inflate_end_headers(handle)
    return result
  }
}

@Suite("Values that a client repeats")
struct ValueExpansionTests {
  static let token = "Bearer " + String(repeating: "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.", count: 12)
  static let request = Wire.get + [("authorization", token)]

  /// What `expansion` hands on of `bytes` when they come in pieces of `size`.
  private static func pass(
    _ bytes: [UInt8], _ expansion: inout ValueExpansion, inPiecesOf size: Int = .max
  ) -> [UInt8] {
    var out: [UInt8] = []
    let buffers = BufferPool(keep: 2)
    var rest = bytes[...]
    while !rest.isEmpty {
      // A copy of its own, so that reading past its end is found out.
      let piece = Array(rest.prefix(size))
      rest = rest.dropFirst(size)
      let result = piece.withUnsafeBufferPointer {
        expansion.pass($0, buffers, judge: { _, _ in .passes }, endsTooEarly: { _, _ in false }) {
          out += $0
          return $0.count
        }
      }
      #expect(result >= 0)
    }
    #expect(buffers.kept <= 1, "one block is enough")
    return out
  }

  /// HEADERS of the connection's request with this number.
  private static func headers(_ number: Int, _ payload: [UInt8], flags: UInt8 = 5) -> Frame {
    Frame(type: 1, flags: flags, stream: UInt32(2 * number + 1), payload: payload)
  }

  private static func requests(_ count: Int, _ fields: [(String, String)] = request, isSensitive: Bool = true) -> [Frame] {
    let deflater = Deflater()
    return (0..<count).map { headers($0, deflater.section(fields, isSensitive: isSensitive)) }
  }

  /// Frames and fields are the same on both sides.
  private static func expectSame(_ before: [UInt8], _ after: [UInt8], _ comment: Comment = "") {
    let (left, right) = (Wire.frames(before), Wire.frames(after))
    #expect(left.count == right.count, comment)
    let (one, other) = (Inflater(), Inflater())
    for (left, right) in zip(left, right) {
      #expect(left.type == right.type && left.flags == right.flags && left.stream == right.stream, comment)
      guard left.type == 1, left.flags & 4 != 0, left.flags & 8 == 0 else {
        #expect(left.payload == right.payload, comment)
        continue
      }
      #expect(right.payload.count <= 16_384)
      let start = left.flags & 0x20 != 0 ? 5 : 0
      #expect(left.payload.prefix(start) == right.payload.prefix(start), comment)
      let (fields, same) = (one.fields(Array(left.payload.dropFirst(start))), other.fields(Array(right.payload.dropFirst(start))))
      #expect(fields == same, comment)
      if fields == nil { return }
    }
  }

  @Test("the second time it is handed on without its Huffman coding, and the first time as it came")
  func second() {
    let frames = Self.requests(4)
    let bytes = frames.flatMap(\.bytes)
    var expansion = ValueExpansion(preface: 0)
    let out = Self.pass(bytes, &expansion)
    let after = Wire.frames(out)
    #expect(after[0] == frames[0])
    for frame in after[1...] {
      #expect(frame.payload.count > frames[0].payload.count)
      #expect(String(decoding: frame.payload, as: UTF8.self).contains(Self.token))
    }
    Self.expectSame(bytes, out)
    #expect(expansion.allocated > 0)
    expansion.rest()
    #expect(expansion.allocated == 0)
    #expect(Self.pass(frames[1].bytes, &expansion) == frames[1].bytes, "it is forgotten at rest")
  }

  @Test("however it is cut", arguments: 1...40)
  func pieces(size: Int) {
    let bytes = Wire.preface + Wire.settings([(3, 100)]).bytes + Self.requests(3).flatMap(\.bytes)
    for size in [size, size * 41] {
      var expansion = ValueExpansion(preface: Wire.preface.count)
      let out = Self.pass(bytes, &expansion, inPiecesOf: size)
      #expect(out.starts(with: Wire.preface))
      Self.expectSame(Array(bytes.dropFirst(24)), Array(out.dropFirst(24)))
    }
  }

  @Test("what is between requests stays as it is, and content is not copied into a block of its own")
  func content() {
    let frames = Self.requests(3)
    let content = [UInt8](repeating: 1, count: 16_000)
    let bytes = frames.flatMap { $0.bytes + Wire.data($0.stream, content).bytes + Wire.windowUpdate(0, 7).bytes }
    var expansion = ValueExpansion(preface: 0)
    Self.expectSame(bytes, Self.pass(bytes, &expansion))
    var other = ValueExpansion(preface: 0)
    Self.expectSame(bytes, Self.pass(bytes, &other, inPiecesOf: 16_384))
  }

  @Test("more requests at once than fit into a block")
  func many() {
    let bytes = Self.requests(60).flatMap(\.bytes)
    var expansion = ValueExpansion(preface: 0)
    let out = Self.pass(bytes, &expansion)
    #expect(out.count > BufferPool.blockSize)
    Self.expectSame(bytes, out)
  }

  @Test("left alone: padding, sections in several frames, values kept in the table, short ones, larger frames than are allowed")
  func leftAlone() {
    let section = Deflater().section(Self.request)
    let first = Array(section.prefix(section.count / 2))
    let second = Array(section.dropFirst(first.count))
    var padded: [Frame] = []
    var cut: [Frame] = []
    for number in 0..<3 {
      padded.append(Self.headers(number, [3] + section + [0, 0, 0], flags: 13))
      cut.append(Self.headers(number, first, flags: 1))
      cut.append(Frame(type: 9, flags: 4, stream: UInt32(2 * number + 1), payload: second))
    }
    let short = Wire.get + [("authorization", "Bearer " + String(repeating: "a", count: 60))]
    let large =
      Wire.get + [("authorization", String(repeating: "a", count: 6_500)), ("x", String(repeating: "~", count: 10_000))]
    let kept = Wire.get + [("x-user", Self.token)]
    let all = [padded, cut, Self.requests(3, kept, isSensitive: false), Self.requests(3, short), Self.requests(3, large)]
    for frames in all {
      let bytes = frames.flatMap(\.bytes)
      var expansion = ValueExpansion(preface: 0)
      #expect(Self.pass(bytes, &expansion) == bytes)
    }
  }

  @Test("a frame with a priority keeps it")
  func priority() {
    let section = Deflater().section(Self.request)
    let frames = (0..<3).map { Self.headers($0, [0, 0, 0, 0, 15] + section, flags: 0x25) }
    let bytes = frames.flatMap(\.bytes)
    var expansion = ValueExpansion(preface: 0)
    let out = Self.pass(bytes, &expansion)
    #expect(out.count > bytes.count)
    Self.expectSame(bytes, out)
  }

  @Test("a value that nghttp2 refuses goes to nghttp2 as it came, each time")
  func broken() {
    // The code of EOS, which must not stand in a string (RFC 7541 section 5.2).
    let string: [UInt8] = [0x80 | 100] + [UInt8](repeating: 0xff, count: 100)
    let bytes = (0..<4).flatMap { Self.headers($0, [0x1f, 8] + string).bytes }
    var expansion = ValueExpansion(preface: 0)
    #expect(Self.pass(bytes, &expansion) == bytes)
  }

  @Test("users who share a connection get each their own")
  func users() {
    let deflater = Deflater()
    var frames: [Frame] = []
    for number in 0..<40 {
      let user = "Bearer " + String(repeating: "\(number / 3 % 2)abc", count: 60)
      frames.append(Self.headers(number, deflater.section(Wire.get + [("authorization", user)])))
    }
    let bytes = frames.flatMap(\.bytes)
    var expansion = ValueExpansion(preface: 0)
    let out = Self.pass(bytes, &expansion)
    #expect(out.count > bytes.count)
    Self.expectSame(bytes, out)
  }

  @Test("nothing is read behind a fault")
  func stops() {
    let bytes = Self.requests(5).flatMap(\.bytes)
    let buffers = BufferPool(keep: 2)
    var expansion = ValueExpansion(preface: 0)
    var calls = 0
    let result = bytes.withUnsafeBufferPointer {
      expansion.pass($0, buffers, judge: { _, _ in .passes }, endsTooEarly: { _, _ in false }) { _ in
        calls += 1
        return -7
      }
    }
    #expect(result == -7)
    #expect(calls == 1)
  }

  @Test("random sections say the same on both sides", arguments: 0..<150)
  func random(seed: Int) {
    var random = Random(state: UInt64(seed))
    let deflater = Deflater()
    var bytes: [UInt8] = []
    for number in 0..<40 {
      var section: [UInt8] = []
      for _ in 0..<1 + random.below(3) {
        let name = ["authorization", "x-api-key", "a"][random.below(3)]
        let value = String(repeating: ["ab", "Zz", "~", "0"][random.below(4)], count: [3, 70, 400, 4_000][random.below(4)])
        section += deflater.section([(name, value)], isSensitive: random.below(4) > 0)
      }
      if random.below(12) == 0, !section.isEmpty { section[random.below(section.count)] ^= UInt8(1 << random.below(8)) }
      if random.below(30) == 0 { section.removeLast(random.below(section.count)) }
      let flags = UInt8([5, 5, 5, 4, 0x25, 1][random.below(6)])
      let priority: [UInt8] = flags & 0x20 != 0 ? [0, 0, 0, 0, 3] : []
      guard section.count < 16_000 else { continue }
      bytes += Self.headers(number, priority + section, flags: flags).bytes
      if random.below(4) == 0 {
        bytes += Wire.data(UInt32(2 * number + 1), [UInt8](repeating: 7, count: random.below(900))).bytes
      }
      // Without CONTINUATION the section is cut off there, for both.
    }
    var expansion = ValueExpansion(preface: 0)
    Self.expectSame(bytes, Self.pass(bytes, &expansion, inPiecesOf: 1 + random.below(20_000)), "seed \(seed)")
  }

  @Test("a server's session reads the same request each time, and gives the memory back at rest", arguments: [1, 9, 100, 10_000])
  func session(piece: Int) throws {
    let pair = Pair()
    pair.piece = piece
    pair.run()
    let token = Self.token
    for _ in 0..<5 {
      let stream = pair.client.request(method: .get, endStream: true) { sink in
        for (name, value) in Wire.get + [("authorization", token)] {
          var (name, value) = (name, value)
          name.withUTF8 { name in value.withUTF8 { sink.field(name, $0) } }
        }
      }
      #expect(stream != nil)
      pair.run()
    }
    let heads = pair.serverOwner.events.filter { $0.contains("GET") }
    #expect(heads.count == 5)
    for (index, head) in heads.enumerated() {
      #expect(head == "\(2 * index + 1) GET example.com / authorization=\(token) END")
    }
    #expect(piece < 1_000 || pair.server.heldForRepetition > 0)
    pair.server.rest()
    #expect(pair.server.heldForRepetition == 0)
  }
}
