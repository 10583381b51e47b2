import Reactor
import Transport

/// A client of the gateway, and what it expects.
class Client: Peer {
  let stage: Stage
  /// Something unreadable was sent: there is nothing to expect any more.
  var isSpoiled = false
  /// The rest of what was cut in the middle.
  var rest: [UInt8] = []
  /// An answer is whole.
  var onAnswered: (Asked) -> Void = { _ in }

  init(descriptor: Int32, wire: consuming Wire, stage: Stage) {
    self.stage = stage
    super.init(descriptor: descriptor, wire: wire)
  }

  /// Whether a request may be begun.
  var isReady: Bool { isOpen && !isSpoiled && rest.isEmpty }

  func ask(_ request: Asked) {}
  /// The first part of a request's head; `finish` sends what is missing.
  func begin(_ request: Asked, part: Int) {}
  func add(_ count: Int, which: Int) {}
  func finish(which: Int, trailers: Bool) {}
  func cancel(which: Int) {}
  func strange(_ what: Int) {}
  func tunnel(_ what: Int) {}

  /// A WebSocket's frame, with the request's mark in it, or a part of one. Masked with zeros, which change nothing.
  func tunnelBytes(_ request: Asked, _ what: Int) -> [UInt8] {
    if request.isInFrame {
      request.isInFrame = false
      return request.mark.text
    }
    switch what {
    case 0...6: return [0x82, 0x88, 0, 0, 0, 0] + request.mark.text
    case 7: return [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]
    default:
      // The rest comes next, or never.
      request.isInFrame = true
      return [0x82, 0x90, 0, 0, 0, 0] + request.mark.text
    }
  }
}

final class HTTP1Client: Client {
  private var reader = HTTP1Reader()
  private var asked: [Asked] = []
  private var frames = WebSocketReader()
  /// The request whose content is being sent.
  private var sending: Asked?
  private var isLast = false

  override var isReady: Bool { super.isReady && sending == nil && !isLast && asked.count < 8 }

  override func ask(_ request: Asked) {
    guard isReady else { return }
    say(head(request))
    note(request)
  }

  override func begin(_ request: Asked, part: Int) {
    guard isReady else { return }
    let bytes = head(request)
    let cut = min(bytes.count - 1, 1 + part * bytes.count / 10)
    say(Array(bytes[..<cut]))
    rest = Array(bytes[cut...])
    note(request)
  }

  private func note(_ request: Asked) {
    asked.append(request)
    if request.isSending { sending = request }
    if request.kind == .old { isLast = true }
  }

  private func head(_ request: Asked) -> [UInt8] {
    var text = "\(request.method) \(request.path) HTTP/1.\(request.kind == .old ? 0 : 1)\r\nHost: localhost\r\n"
    for (name, value) in request.fields(stage) { text += "\(name): \(value)\r\n" }
    var content: [UInt8] = []
    if request.hasLength {
      text += "Content-Length: \(request.length)\r\n"
      if request.kind != .expects { content = request.next(request.size) }
    } else if request.isChunked {
      text += "Transfer-Encoding: chunked\r\n"
      content = chunk(request.next(request.size))
      if request.isWhole { content += Array("0\r\n\r\n".utf8) }
    } else if request.kind == .webSocket {
      text += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    }
    request.isSending = !request.isWhole
    return Array((text + "\r\n").utf8) + content
  }

  private func chunk(_ bytes: [UInt8]) -> [UInt8] {
    bytes.isEmpty ? [] : Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + Array("\r\n".utf8)
  }

  override func add(_ count: Int, which: Int) {
    guard rest.isEmpty, let request = sending else { return }
    if request.kind == .webSocket { return tunnel(0) }
    say(request.isChunked ? chunk(request.next(count)) : request.next(min(count, request.length - request.sent)))
    if !request.isChunked, request.sent == request.length { ended(request) }
  }

  override func finish(which: Int, trailers: Bool) {
    guard isOpen else { return }
    if !rest.isEmpty {
      say(rest)
      rest = []
      return
    }
    guard let request = sending, request.kind != .webSocket else { return }
    let last = "0\r\n" + (trailers ? "x-trailer: \(request.mark)\r\n" : "") + "\r\n"
    say(request.isChunked ? Array(last.utf8) : request.next(request.length - request.sent))
    ended(request)
  }

  private func ended(_ request: Asked) {
    request.isSending = false
    sending = nil
  }

  override func tunnel(_ what: Int) {
    guard rest.isEmpty, let request = sending, request.isTunnel else { return }
    say(tunnelBytes(request, what))
  }

  override func strange(_ what: Int) {
    // In the middle of content it would be content.
    guard isOpen, rest.isEmpty, sending == nil else { return }
    isSpoiled = true
    say(what < 5 ? "\0\u{1}what\r\n\r\n" : "GET  / HTTP/9.9\r\n\r\n")
  }

  // MARK: What comes

  override func took(_ bytes: [UInt8]) {
    reader.add(bytes)
    while let step = reader.next() {
      switch step {
      case .head(let head): answered(head)
      case .content(let run):
        // Of the answer to what was no request.
        guard let request = asked.first else { continue }
        if request.isTunnel { frames.check(run, request) } else { request.content(run) }
      case .end:
        guard let request = asked.first else { continue }
        request.isOver = true
        asked.removeFirst()
        onAnswered(request)
        if sending === request, !request.isSending || request.kind == .webSocket { sending = nil }
      }
    }
  }

  private func answered(_ head: HTTP1Reader.Head) {
    guard let status = Int(head.start.split(separator: " ").dropFirst().first ?? "") else { violation("no status: \(head.start)") }
    trace("    client hears \(status) \(head["x-answer"] ?? "")")
    guard let request = asked.first else {
      // What could not be read as a request is answered as well.
      if head["x-answer"] != nil || !isSpoiled { violation("an answer that nobody asked for: \(head.start)") }
      return frame(head, isEmpty: false)
    }
    request.answered(status) { head[$0] }
    if status < 200, status != 101 { return }
    if status == 101 {
      guard request.kind == .webSocket else { violation("101 for \(request.mark)") }
      request.isTunnel = true
      return reader.frame(.tunnel)
    }
    frame(head, isEmpty: request.kind == .head || status == 204 || status == 304)
  }

  private func frame(_ head: HTTP1Reader.Head, isEmpty: Bool) {
    if head["connection"] == "close" { isLast = true }
    if isEmpty { return reader.frame(.none) }
    if head["transfer-encoding"] != nil { return reader.frame(.chunked) }
    guard let length = head["content-length"] else { return reader.frame(.untilEnd) }
    guard let count = Int(length) else { violation("no length: \(length)") }
    reader.frame(.length(count))
  }
}

/// The frames of a WebSocket, for whoever reads what came through it: each is the request's own mark, or the gateway's or the other
/// side's Close.
struct WebSocketReader {
  private var bytes: [UInt8] = []

  mutating func check(_ more: ArraySlice<UInt8>, _ request: Asked) { check(more, request.mark) }

  mutating func check(_ more: ArraySlice<UInt8>, _ mark: Mark) {
    bytes += more
    while bytes.count >= 2 {
      let masked = bytes[1] & 0x80 != 0
      let start = masked ? 6 : 2
      let length = Int(bytes[1] & 0x7f)
      guard length < 126 else { violation("a frame that nobody sent to \(mark)") }
      guard bytes.count >= start + length else { return }
      let mask = masked ? Array(bytes[2..<6]) : [0, 0, 0, 0]
      let payload = (0..<length).map { bytes[start + $0] ^ mask[$0 % 4] }
      if bytes[0] != 0x88, payload.prefix(8) != mark.text[...] { violation("\(mark) gets the frame of another") }
      bytes.removeFirst(start + length)
    }
  }
}
