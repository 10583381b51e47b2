import Bytes
import HTTP
import HTTP1

/// One client's connection to a development server.
struct HTTPServerConnection: ~Copyable {
  private static let contentKept = 64 << 10

  private let stream: ByteStream
  private let handler: HTTPServer.Handler
  private var input = ByteQueue()

  init(stream: ByteStream, handler: @escaping HTTPServer.Handler) {
    self.stream = stream
    self.handler = handler
  }

  /// Answers requests until the client, or a message that cannot be read, ends the connection.
  consuming func run() {
    var head = RequestHead(fieldCapacity: 200)
    while true {
      head.reset()
      switch readHead(into: &head) {
      case nil: return
      case .failed(let error):
        _ = send(
          HTTPResponse(status: Int(error.status), content: Array(#"{"error":"\#(error)"}"#.utf8)), method: "GET", keepAlive: false
        )
        return
      case .needMore, .complete: break
      }
      var request = describe(head)
      let framing = head.framing
      input.consume(head.length)
      if head.expectsContinue, !stream.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) { return }
      guard readContent(framing, into: &request) else { return }
      guard send(handler(request), method: request.method, keepAlive: head.isPersistent), head.isPersistent else { return }
    }
  }

  /// Nil when the connection ended before a whole head.
  private mutating func readHead(into head: inout RequestHead) -> HeadProgress? {
    var parser = RequestParser(limits: HeadLimits(headerBytes: 64 << 10, headerCount: 200, uriBytes: 16 << 10))
    while true {
      let progress = parser.parse(input.readable.span, into: &head)
      if progress != .needMore { return progress }
      guard fill() else { return nil }
    }
  }

  /// Reads some more; false at the end of the stream.
  private mutating func fill() -> Bool {
    let count = stream.read(into: input.reserve(16 << 10))
    input.produced(count)
    return count > 0
  }

  private func text(_ range: ByteRange) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: input.readable[range.start..<range.end]), as: UTF8.self)
  }

  private func describe(_ head: borrowing RequestHead) -> HTTPRequest {
    var request = HTTPRequest(
      method: text(head.methodRange), path: text(head.path), query: head.hasQuery ? text(head.query) : nil, fields: [],
      content: [],
      contentCount: 0, peer: stream.peer)
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      request.fields.append((text(field.name), text(field.value)))
    }
    return request
  }

  /// False when the content ended too early or cannot be read.
  private mutating func readContent(_ framing: BodyFraming, into request: inout HTTPRequest) -> Bool {
    switch framing {
    case .none: return true
    case .length(let length):
      var left = length
      while left > 0 {
        if input.isEmpty, !fill() { return false }
        let count = Int(min(left, UInt64(input.count)))
        take(ByteRange(offset: 0, count: count), into: &request)
        input.consume(count)
        left -= UInt64(count)
      }
      return true
    case .chunked: return readChunks(into: &request)
    case .untilClose, .stream: return false
    }
  }

  private mutating func readChunks(into request: inout HTTPRequest) -> Bool {
    var decoder = ChunkedDecoder()
    while true {
      var consumed = 0
      let step = decoder.next(input.readable.span, consumed: &consumed)
      if case .data(let range) = step { take(range, into: &request) }
      input.consume(consumed)
      switch step {
      case .data, .trailer: break
      case .needMore: if !fill() { return false }
      case .end: return true
      case .failed: return false
      }
    }
  }

  private func take(_ range: ByteRange, into request: inout HTTPRequest) {
    request.contentCount += UInt64(range.length)
    let kept = min(range.length, Self.contentKept - request.content.count)
    if kept > 0 { request.content += input.readable[range.start..<range.start + kept] }
  }

  private func send(_ response: HTTPResponse, method: String, keepAlive: Bool) -> Bool {
    let reason =
      switch response.status {
      case 200: "OK"
      case 400: "Bad Request"
      case 404: "Not Found"
      default: "Error"
      }
    let head = """
      HTTP/1.1 \(response.status) \(reason)\r
      Content-Type: \(response.type)\r
      Content-Length: \(response.content.count)\r
      Cache-Control: no-store\r
      Connection: \(keepAlive ? "keep-alive" : "close")\r
      \r

      """
    return stream.write(Array(head.utf8) + (method == "HEAD" ? [] : response.content))
  }
}
