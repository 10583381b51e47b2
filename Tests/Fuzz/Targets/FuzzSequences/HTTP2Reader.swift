import CNghttp2

/// HTTP/2 frames and HPACK, read with nghttp2's decoder and written without any compression.
final class HTTP2Reader {
  struct Frame {
    var type: UInt8
    var flags: UInt8
    var stream: Int32
    var payload: [UInt8]
  }

  private var bytes: [UInt8] = []
  private var inflater: OpaquePointer?
  private var section: [UInt8] = []

  init() { nghttp2_hd_inflate_new(&inflater) }

  deinit { nghttp2_hd_inflate_del(inflater) }

  func add(_ more: [UInt8]) { bytes += more }

  /// Takes the client's preface off the front; nil until it is there.
  func takePreface() -> Bool? {
    guard bytes.count >= Self.preface.count else { return nil }
    guard bytes.starts(with: Self.preface) else { return false }
    bytes.removeFirst(Self.preface.count)
    return true
  }

  func next() -> Frame? {
    guard bytes.count >= 9 else { return nil }
    let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
    guard length <= 16384 else { violation("a frame of \(length) bytes") }
    guard bytes.count >= 9 + length else { return nil }
    let stream = bytes[5..<9].reduce(0) { $0 << 8 | Int32($1) }
    let frame = Frame(type: bytes[3], flags: bytes[4], stream: stream, payload: Array(bytes[9..<(9 + length)]))
    bytes.removeFirst(9 + length)
    return frame
  }

  /// The fields of a HEADERS frame and what continues it; nil when more follows.
  func fields(_ frame: Frame) -> [(name: String, value: String)]? {
    var payload = frame.payload[...]
    if frame.type == 1, frame.flags & 0x08 != 0 { payload = payload.dropFirst().dropLast(Int(frame.payload[0])) }
    if frame.type == 1, frame.flags & 0x20 != 0 { payload = payload.dropFirst(5) }
    section += payload
    guard frame.flags & 0x04 != 0 else { return nil }
    defer { section = [] }
    var result: [(name: String, value: String)] = []
    var rest = section[...]
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let count = rest.withUnsafeBufferPointer { nghttp2_hd_inflate_hd2(inflater, &field, &flags, $0.baseAddress, $0.count, 1) }
      guard count >= 0 else { violation("the gateway's HPACK cannot be read") }
      rest = rest.dropFirst(count)
      if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        result.append(
          (
            String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self),
            String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
          ))
      }
      if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
      if count == 0, flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { break }
    }
    nghttp2_hd_inflate_end_headers(inflater)
    return result
  }

  // MARK: Writing

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func frame(_ type: UInt8, _ flags: UInt8 = 0, _ stream: Int32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags] + number(UInt32(bitPattern: stream))
      + payload
  }

  static func number(_ value: UInt32) -> [UInt8] {
    [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
  }

  static func settings(_ values: [(UInt16, UInt32)]) -> [UInt8] {
    frame(4, 0, 0, values.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xff)] + number($0.1) })
  }

  static func windowUpdate(_ stream: Int32, _ count: Int) -> [UInt8] { frame(8, 0, stream, number(UInt32(count))) }

  static func reset(_ stream: Int32, _ code: UInt32) -> [UInt8] { frame(3, 0, stream, number(code)) }

  static func goAway(last: Int32, _ code: UInt32 = 0) -> [UInt8] {
    frame(7, 0, 0, number(UInt32(bitPattern: last)) + number(code))
  }

  static func headers(_ stream: Int32, _ fields: [(String, String)], end: Bool) -> [UInt8] {
    var block: [UInt8] = []
    for (name, value) in fields {
      block.append(0)
      append(name, to: &block)
      append(value, to: &block)
    }
    var result: [UInt8] = []
    var rest = block[...]
    repeat {
      let run = rest.prefix(16384)
      rest = rest.dropFirst(run.count)
      let flags: UInt8 = (rest.isEmpty ? 0x04 : 0) | (result.isEmpty && end ? 0x01 : 0)
      result += frame(result.isEmpty ? 1 : 9, flags, stream, Array(run))
    } while !rest.isEmpty
    return result
  }

  private static func append(_ text: String, to block: inout [UInt8]) {
    var count = text.utf8.count
    if count < 127 {
      block.append(UInt8(count))
    } else {
      block.append(127)
      count -= 127
      while count >= 128 {
        block.append(UInt8(count & 0x7f) | 0x80)
        count >>= 7
      }
      block.append(UInt8(count))
    }
    block += Array(text.utf8)
  }

  static func data(_ stream: Int32, _ bytes: [UInt8], end: Bool) -> [UInt8] {
    var result: [UInt8] = []
    var rest = bytes[...]
    repeat {
      let run = rest.prefix(16384)
      rest = rest.dropFirst(run.count)
      result += frame(0, rest.isEmpty && end ? 1 : 0, stream, Array(run))
    } while !rest.isEmpty
    return result
  }
}
