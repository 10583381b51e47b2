import Reactor
import Transport

final class HTTP2Client: Client {
  private let reader = HTTP2Reader()
  private var asked: [Int32: Asked] = [:]
  private var order: [Asked] = []
  private var frames: [Int32: WebSocketReader] = [:]
  private var nextStream: Int32 = 1
  /// The stream whose field section is being read.
  private var section: (stream: Int32, end: Bool)?
  /// Gives back the window for what has come.
  var opensWindow = true
  private var owedWindow = 0

  func greet() { say(HTTP2Reader.preface + HTTP2Reader.settings([])) }

  override func up() { if isEncrypted { greet() } }

  private func latest(_ which: Int) -> Asked? {
    let open = order.filter { !$0.isOver }
    guard !open.isEmpty else { return nil }
    return open[open.count - 1 - which % open.count]
  }

  override func ask(_ request: Asked) {
    guard isReady else { return }
    say(head(request))
  }

  override func begin(_ request: Asked, part: Int) {
    guard isReady else { return }
    let bytes = head(request)
    let cut = min(bytes.count - 1, 1 + part * bytes.count / 10)
    say(Array(bytes[..<cut]))
    rest = Array(bytes[cut...])
  }

  private func head(_ request: Asked) -> [UInt8] {
    request.stream = nextStream
    nextStream += 2
    asked[request.stream] = request
    order.append(request)
    let scheme = isEncrypted ? "https" : "http"
    var fields = [(":method", request.method), (":scheme", scheme), (":path", request.path), (":authority", "localhost")]
    if request.kind == .webSocket {
      fields[0].1 = "CONNECT"
      fields.insert((":protocol", "websocket"), at: 1)
      fields.append(("sec-websocket-version", "13"))
    }
    if request.hasLength { fields.append(("content-length", String(request.length))) }
    fields += request.fields(stage)
    let hasContent = request.hasLength || request.isChunked
    var bytes = HTTP2Reader.headers(request.stream, fields, end: !hasContent && request.kind != .webSocket)
    if hasContent, request.kind != .expects {
      bytes += HTTP2Reader.data(request.stream, request.next(request.size), end: request.isWhole)
    }
    request.isSending = !request.isWhole
    return bytes
  }

  override func add(_ count: Int, which: Int) {
    guard rest.isEmpty, let request = latest(which), request.isSending else { return }
    if request.kind == .webSocket { return tunnel(0) }
    let content = request.hasLength ? request.next(min(count, request.length - request.sent)) : request.next(count)
    if request.hasLength, request.sent == request.length { request.isSending = false }
    say(HTTP2Reader.data(request.stream, content, end: !request.isSending))
  }

  override func finish(which: Int, trailers: Bool) {
    guard isOpen else { return }
    if !rest.isEmpty {
      say(rest)
      rest = []
      return
    }
    guard let request = latest(which), request.isSending else { return }
    request.isSending = false
    let content = request.hasLength ? request.next(request.length - request.sent) : []
    let trailers = trailers && request.kind != .webSocket
    say(HTTP2Reader.data(request.stream, content, end: !trailers))
    if trailers { say(HTTP2Reader.headers(request.stream, [("x-trailer", request.mark.description)], end: true)) }
  }

  override func cancel(which: Int) {
    guard rest.isEmpty, let request = latest(which) else { return }
    reset(request)
  }

  private func reset(_ request: Asked) {
    say(HTTP2Reader.reset(request.stream, 8))
    request.isSending = false
    request.isOver = true
    asked[request.stream] = nil
  }

  override func tunnel(_ what: Int) {
    guard rest.isEmpty, let request = order.last(where: { $0.isTunnel && $0.isSending && !$0.isOver }) else { return }
    say(HTTP2Reader.data(request.stream, tunnelBytes(request, what), end: false))
  }

  override func strange(_ what: Int) {
    guard isOpen, rest.isEmpty else { return }
    switch what {
    case 0:
      isSpoiled = true
      say(HTTP2Reader.frame(0, 0, 0, [1, 2, 3]))
    case 1: say(HTTP2Reader.frame(6, 0, 0, Array(repeating: 7, count: 8)))
    case 2:
      // No window for anybody.
      opensWindow = false
      say(HTTP2Reader.settings([(4, 0)]))
    case 3:
      opensWindow = true
      say(HTTP2Reader.settings([(4, 65_535)]))
      giveWindow()
    case 4: say(HTTP2Reader.goAway(last: 0))
    case 5:
      for request in order where !request.isOver { reset(request) }
    case 6: say(HTTP2Reader.frame(2, 0, max(1, nextStream - 2), [0, 0, 0, 0, 15]))
    case 7: say(HTTP2Reader.windowUpdate(0, 1 << 20))
    case 8:
      // Content on a stream that is over, or never was.
      say(HTTP2Reader.data(order.last(where: \.isOver)?.stream ?? nextStream, [1], end: false))
      isSpoiled = true
    default: say(HTTP2Reader.settings([(1, 0)]) + HTTP2Reader.settings([(1, 4096)]))
    }
  }

  /// Not in the middle of a frame that is not whole.
  private func reply(_ frame: [UInt8]) {
    if rest.isEmpty { say(frame) } else { rest += frame }
  }

  private func giveWindow() {
    guard opensWindow, owedWindow > 0 else { return }
    reply(HTTP2Reader.windowUpdate(0, owedWindow))
    for request in order where !request.isOver && request.stream > 0 { reply(HTTP2Reader.windowUpdate(request.stream, owedWindow)) }
    owedWindow = 0
  }

  // MARK: What comes

  override func took(_ bytes: [UInt8]) {
    reader.add(bytes)
    while let frame = reader.next() { took(frame) }
    giveWindow()
  }

  private func took(_ frame: HTTP2Reader.Frame) {
    switch frame.type {
    case 0:
      owedWindow += frame.payload.count
      content(frame)
    case 1, 9:
      if frame.type == 1 { section = (frame.stream, frame.flags & 1 != 0) }
      guard let fields = reader.fields(frame), let section else { return }
      self.section = nil
      head(section.stream, fields, end: section.end)
    case 3: if let request = asked.removeValue(forKey: frame.stream) { request.isOver = true }
    case 4: if frame.flags & 1 == 0 { reply(HTTP2Reader.frame(4, 1)) }
    case 6: if frame.flags & 1 == 0 { reply(HTTP2Reader.frame(6, 1, 0, frame.payload)) }
    default: break
    }
  }

  private func head(_ stream: Int32, _ fields: [(name: String, value: String)], end: Bool) {
    // One that was reset here may have been answered already.
    guard let request = asked[stream] else {
      if stream >= nextStream || stream % 2 == 0 { violation("an answer on stream \(stream), which nobody opened") }
      return
    }
    let values = Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    if let text = values[":status"] {
      guard let status = Int(text), status != 101 else { violation("no status: \(text)") }
      trace("    client hears \(status) \(values["x-answer"] ?? "") on \(stream)")
      request.answered(status) { values[$0] }
      if request.kind == .webSocket, status == 200, request.isBackends { request.isTunnel = true }
    } else if !request.isAnswered {
      violation("\(request.mark) gets trailers before a head")
    } else if let status = values["grpc-status"], status != "0" {
      // An answer that could not be finished, and says so.
      request.isCut = true
    }
    if end { over(request) }
  }

  private func content(_ frame: HTTP2Reader.Frame) {
    guard let request = asked[frame.stream] else { return }
    guard request.isAnswered else { violation("\(request.mark) gets content before a head") }
    if request.isTunnel {
      frames[frame.stream, default: WebSocketReader()].check(frame.payload[...], request)
    } else {
      request.content(frame.payload)
    }
    if frame.flags & 1 != 0 { over(request) }
  }

  private func over(_ request: Asked) {
    request.isOver = true
    onAnswered(request)
    if !request.isSending { asked[request.stream] = nil }
  }
}
