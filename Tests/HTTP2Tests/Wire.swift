import Bytes
import HTTP2

/// A frame built or read by hand.
struct Frame: Equatable, CustomStringConvertible {
  var type: UInt8
  var flags: UInt8 = 0
  var stream: UInt32 = 0
  var payload: [UInt8] = []

  var bytes: [UInt8] {
    let length = payload.count
    return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
      + Wire.integer(stream) + payload
  }

  var description: String { "frame(type \(type), flags \(flags), stream \(stream), \(payload.count) bytes)" }

  /// The error code of RST_STREAM or GOAWAY.
  var code: UInt32 {
    let at = type == 7 ? 4 : 0
    return payload[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }
}

enum Wire {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func integer(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

  /// HPACK literals without indexing and without Huffman (RFC 7541 section 6.2.2); names and values up to 126 bytes or longer.
  static func fields(_ list: [(String, String)]) -> [UInt8] {
    list.flatMap { [UInt8(0)] + string(Array($0.0.utf8)) + string(Array($0.1.utf8)) }
  }

  static func string(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
    var result: [UInt8] = [127]
    var rest = bytes.count - 127
    while rest >= 128 {
      result.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return result + [UInt8(rest)] + bytes
  }

  static func settings(_ entries: [(UInt16, UInt32)] = []) -> Frame {
    Frame(type: 4, payload: entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + integer($0.1) })
  }

  static func headers(_ stream: UInt32, _ fields: [(String, String)], endStream: Bool = true, endHeaders: Bool = true) -> Frame {
    Frame(type: 1, flags: (endStream ? 1 : 0) | (endHeaders ? 4 : 0), stream: stream, payload: self.fields(fields))
  }

  static func data(_ stream: UInt32, _ bytes: [UInt8], endStream: Bool = false) -> Frame {
    Frame(type: 0, flags: endStream ? 1 : 0, stream: stream, payload: bytes)
  }

  static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> Frame { Frame(type: 3, stream: stream, payload: integer(code)) }

  static func windowUpdate(_ stream: UInt32, _ count: UInt32) -> Frame { Frame(type: 8, stream: stream, payload: integer(count)) }

  static let get: [(String, String)] = [(":method", "GET"), (":scheme", "https"), (":authority", "example.com"), (":path", "/")]
  static let post: [(String, String)] = [(":method", "POST"), (":scheme", "https"), (":authority", "example.com"), (":path", "/")]

  static func frames(_ bytes: [UInt8]) -> [Frame] {
    var result: [Frame] = []
    var at = 0
    while at + 9 <= bytes.count {
      let length = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
      let stream = bytes[at + 5..<at + 9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      result.append(
        Frame(type: bytes[at + 3], flags: bytes[at + 4], stream: stream, payload: Array(bytes[at + 9..<at + 9 + length])))
      at += 9 + length
    }
    return result
  }
}

/// A session whose peer is the test, frame by frame.
final class Raw {
  let owner = Recorder()
  let pool: HTTP2StreamPool
  let session: HTTP2Session
  var now: UInt64 = 1_000_000
  private(set) var result = HTTP2Result.ok

  init(server limits: HTTP2Limits = HTTP2Limits(), settings: [(UInt16, UInt32)] = []) {
    pool = HTTP2StreamPool(server: limits.headerCount, buffers: BufferPool())
    session = HTTP2Session(server: limits, pool: pool, owner: owner)
    owner.session = session
    receive(Wire.preface + Wire.settings(settings).bytes + Frame(type: 4, flags: 1).bytes)
    _ = pull()
  }

  init(client limits: HTTP2Limits, settings: [(UInt16, UInt32)] = []) {
    pool = HTTP2StreamPool(client: limits.headerCount, buffers: BufferPool())
    session = HTTP2Session(client: limits, pool: pool, owner: owner)
    owner.session = session
    receive(Wire.settings(settings).bytes + Frame(type: 4, flags: 1).bytes)
    _ = pull()
  }

  @discardableResult
  func receive(_ bytes: [UInt8]) -> HTTP2Result {
    result = bytes.withUnsafeBufferPointer { session.receive($0, now: now) }
    return result
  }

  @discardableResult
  func receive(_ frames: Frame...) -> HTTP2Result { receive(frames.flatMap(\.bytes)) }

  /// Receives and answers until the session gives up or `count` have been sent; how many it took.
  func flood(_ count: Int, _ frame: (Int) -> [UInt8]) -> Int {
    for index in 0..<count {
      receive(frame(index))
      _ = drain()
      if result != .ok || session.isFinished { return index }
    }
    return count
  }

  private(set) var last: [Frame] = []

  func drain(_ budget: Int = .max / 2) -> [UInt8] {
    var queue = ByteQueue()
    session.pull(into: &queue, atMost: budget, now: now)
    let bytes = Array(queue.readable)
    session.settle()
    if !bytes.isEmpty, !bytes.starts(with: Wire.preface) { last = Wire.frames(bytes) }
    return bytes
  }

  func pull(_ budget: Int = .max / 2) -> [Frame] {
    let bytes = drain(budget)
    return Wire.frames(bytes.starts(with: Wire.preface) ? Array(bytes.dropFirst(Wire.preface.count)) : bytes)
  }

  /// The code of the GOAWAY that ended the connection, once it has.
  var goAway: HTTP2ErrorCode? {
    _ = drain()
    return session.isFinished ? session.goAwayCode : nil
  }
}
