import Bytes
import FuzzDriver
import HTTP
import HTTP2

/// Answers everything, in ways that the first byte of the input picks, and checks what it is told.
private final class Owner: HTTP2Owner {
  var session: HTTP2Session?
  var choice: UInt8 = 0
  /// Heads seen whose stream has not closed.
  var open: Set<Int32> = []

  override func requestHead(_ stream: HTTP2Stream, endStream: Bool) {
    precondition(open.insert(stream.id).inserted, "two heads on one stream")
    let length = stream.headBytes.count
    let bytes = stream.headBytes.readable
    precondition(length <= 8192, "more than the limit was kept")
    if stream.headRefusal == nil {
      let head = stream.head.length
      precondition(head == length && stream.head.target.end <= head)
      precondition(stream.head.path.end <= head && stream.head.query.end <= head)
      precondition(stream.head.authority.end <= head && !stream.head.authority.isEmpty && stream.head.fields.count <= 24)
      for index in 0..<stream.head.fields.count {
        let field = stream.head.fields[index]
        precondition(!bytes[field.name.bounds].contains { $0 <= 0x20 || $0 == 0x3a || $0 >= 0x7f || $0 &- 0x41 < 26 })
        precondition(!bytes[field.value.bounds].contains { $0 < 0x20 && $0 != 9 || $0 == 0x7f })
        precondition(field.id != .connection && field.id != .transferEncoding)
      }
    }
    choice = choice &* 5 &+ 1
    switch choice % 4 {
    case 0: session?.reset(stream, .cancel)
    case 1: session?.respond(stream, endStream: true) { $0.status(200) }
    case 2: break
    default:
      session?.interim(stream) { $0.status(103) }
      session?.respond(stream, endStream: false) { $0.status(200) }
      let content = [UInt8](repeating: 0x61, count: Int(choice) * 300)
      content.withUnsafeBufferPointer { _ = session?.send(stream, $0) }
      session?.trailers(stream) { $0.field("x", "y") }
    }
  }

  override func responseHead(_ stream: HTTP2Stream, endStream: Bool) {
    precondition(stream.headRefusal == nil && stream.responseHead.length == stream.headBytes.count)
    precondition(stream.responseHead.status >= 100 && stream.responseHead.status < 600 && stream.responseHead.fields.count <= 24)
  }

  override func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) {
    precondition(stream.isOpen && stream.unconsumed <= 2048 + 16_384, "more than the window and a frame")
    if choice & 16 == 0 { session?.consume(stream, bytes.count) }
  }

  override func messageEnded(_ stream: HTTP2Stream) { precondition(stream.isOpen && stream.remoteEnded) }
  override func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { precondition(!stream.isOpen) }

  override func streamClosed(_ stream: HTTP2Stream) {
    precondition(!stream.isOpen)
    open.remove(stream.id)
  }

  override func outputDrained(_ stream: HTTP2Stream) { precondition(stream.isOpen) }
}

/// Whatever the bytes behind the preface, and however they are cut: no trap, bounds kept, every stream closed once.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = UnsafeBufferPointer(start: start, count: count)
  guard input.count > 2 else { return 0 }
  let owner = Owner()
  owner.choice = input[0]
  var limits = HTTP2Limits(
    headerBytes: 2048, headerCount: 24, uriBytes: 512, streams: 8, streamWindow: 2048, connectionWindow: 65_535)
  let isServer = input[1] & 1 == 0
  limits.abuse = isServer ? .client : .backend
  let buffers = BufferPool(keep: 2)
  let session =
    isServer
    ? HTTP2Session(server: limits, pool: HTTP2StreamPool(server: 24, buffers: buffers, keep: 4), owner: owner)
    : HTTP2Session(client: limits, pool: HTTP2StreamPool(client: 24, buffers: buffers, keep: 4), owner: owner)
  owner.session = session
  defer { owner.session = nil }
  var out = ByteQueue()
  func pull(_ budget: Int) {
    session.pull(into: &out, atMost: budget, now: 0)
    session.settle()
    out.removeAll()
  }
  if isServer {
    let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"
    _ = session.receive(UnsafeBufferPointer(start: preface.utf8Start, count: preface.utf8CodeUnitCount), now: 0)
  } else {
    for method in [HTTPMethod.get, .head, .post] {
      let stream = session.request(method: method, endStream: method != .post) { sink in
        sink.field(":method", method.token)
        sink.field(":scheme", "https")
        sink.field(":authority", "a")
        sink.field(":path", "/")
      }
      if let stream, method == .post { input.withMemoryRebound(to: UInt8.self) { _ = session.send(stream, $0) } }
    }
  }
  pull(.max / 2)
  let piece = 1 + Int(input[1] >> 1) * 4
  var at = 2
  while at < input.count {
    let end = min(input.count, at + piece)
    // A copy of its own, so that reading past its end is found out.
    let bytes = Array(input[at..<end])
    let result = bytes.withUnsafeBufferPointer { session.receive($0, now: UInt64(at)) }
    precondition(session.streamCount <= 8, "more streams than allowed")
    pull(1 + Int(owner.choice) * 64)
    if case .protocolError = result { break }
    at = end
  }
  if owner.choice & 32 == 0 { session.goAway() }
  pull(.max / 2)
  session.abandon()
  pull(.max / 2)
  precondition(session.streamCount == 0 && owner.open.isEmpty, "a stream was not closed")
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzHTTP2_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
