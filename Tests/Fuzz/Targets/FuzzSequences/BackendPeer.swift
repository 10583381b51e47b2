import Bytes
import Proxy
import Reactor
import TLS
import Tokens
import Transport
import WebSocket

/// One connection on a backend's side: reads requests, holds them against what was asked, and answers as it is told.
final class BackendPeer: Peer {
  private final class Served {
    let mark: Mark
    let stream: Int32
    let method: String
    var key: String?
    var opensTunnel = false
    /// The request is whole.
    var isWhole = false
    var received = 0
    var frames = WebSocketReader()
    var state = State.waits
    /// Bytes of content that the answer's head has promised.
    var promised: Int?
    var isChunked = false
    var isUntilEnd = false
    /// Of an answer that opens no tunnel.
    var status: Int { opensTunnel ? 403 : 200 }

    enum State { case waits, answering, tunnel, over }

    init(mark: Mark, stream: Int32, method: String) {
      self.mark = mark
      self.stream = stream
      self.method = method
    }
  }

  private let ledger: Ledger
  private let backend: Int
  private var isHTTP2 = false
  private var reader = HTTP1Reader()
  private let frames = HTTP2Reader()
  private var hasPreface = false
  private var section: (stream: Int32, end: Bool)?
  private var served: [Served] = []
  private var rest: [UInt8] = []
  private var answersAlone: Bool
  private let takesTunnels: Bool
  /// Something unreadable was said: what comes behind it is nobody's.
  private(set) var isSpoiled = false
  /// It has said what nobody asked for, where no request was on its way: none may come any more.
  private var hasSpokenUnasked = false

  init(descriptor: Int32, wire: consuming Wire, backend: Int, ledger: Ledger, answersAlone: Bool, takesTunnels: Bool) {
    self.ledger = ledger
    self.backend = backend
    self.answersAlone = answersAlone
    self.takesTunnels = takesTunnels
    super.init(descriptor: descriptor, wire: wire)
  }

  override func up() {
    isHTTP2 = speaksHTTP2
    trace("    backend \(backend) is connected, \(isHTTP2 ? "h2" : "h1")")
    if isHTTP2 { say(HTTP2Reader.settings(takesTunnels ? [(8, 1), (3, 8)] : [(3, 2)])) }
  }

  // MARK: Requests

  override func took(_ bytes: [UInt8]) {
    if isSpoiled { return }
    if isHTTP2 { return tookFrames(bytes) }
    reader.add(bytes)
    while let step = reader.next() {
      switch step {
      case .head(let head): began(head)
      case .content(let run): content(run, served.last)
      case .end: if let last = served.last { ended(last) }
      }
    }
  }

  private func began(_ head: HTTP1Reader.Head) {
    if let last = served.last, last.state != .over { violation("\(head.start) comes while \(last.mark) is served") }
    if hasSpokenUnasked { violation("\(head.start) comes behind what nobody asked for") }
    let words = head.start.split(separator: " ").map(String.init)
    guard words.count == 3, words[2] == "HTTP/1.1" else { violation("no request line: \(head.start)") }
    let request = begin(words[0], words[1], 0) { head[$0] }
    request.key = head["sec-websocket-key"]
    request.opensTunnel = head["upgrade"] == "websocket"
    served = [request]
    if head["transfer-encoding"] != nil { return reader.frame(.chunked) }
    reader.frame(head["content-length"].flatMap(Int.init).map { .length($0) } ?? .none)
  }

  private func begin(_ method: String, _ path: String, _ stream: Int32, _ value: (String) -> String?) -> Served {
    let name = path.split(separator: "/").last ?? ""
    guard let mark = Mark(name.utf8), let asked = ledger.asked[mark] else { violation("nobody asked for \(path)") }
    trace("    backend \(backend) is asked for \(mark)")
    guard value("x-mark") == mark.description, path == asked.path else { violation("\(path) is asked for as \(value("x-mark") ?? "")") }
    if value("authorization") != nil { violation("\(mark)'s access token reaches the backend") }
    checkUser(asked, value("x-internal-token"))
    return Served(mark: mark, stream: stream, method: method)
  }

  /// The internal token is that of whoever asked.
  private func checkUser(_ asked: Asked, _ token: String?) {
    guard let user = asked.user else {
      if token != nil { violation("\(asked.mark) is nobody's, and has an internal token") }
      return
    }
    let parts = (token ?? "").split(separator: ".")
    guard parts.count == 3, let payload = Base64URL.decode(Array(parts[1].utf8)) else { violation("\(asked.mark) has no internal token") }
    guard String(decoding: payload, as: UTF8.self).contains("\"sub\":\"\(user.name)\"") else {
      violation("\(asked.mark) is \(user.name)'s, and its internal token is \(String(decoding: payload, as: UTF8.self))")
    }
  }

  private func content(_ bytes: some Collection<UInt8>, _ request: Served?) {
    guard let request else { violation("content of no request") }
    if request.state == .tunnel || request.opensTunnel {
      request.frames.check(ArraySlice(bytes), request.mark)
    } else {
      request.mark.check(bytes, at: &request.received, "content of the request")
    }
  }

  private func ended(_ request: Served) {
    request.isWhole = true
    if !request.opensTunnel { ledger.checkEnd(request.mark, received: request.received) }
    if answersAlone, rest.isEmpty, request.state == .waits {
      if request.opensTunnel { accept(request) } else { whole(request, 100) }
    }
  }

  // MARK: HTTP/2

  private func tookFrames(_ bytes: [UInt8]) {
    frames.add(bytes)
    if !hasPreface {
      guard let isPreface = frames.takePreface() else { return }
      guard isPreface else { violation("no preface") }
      hasPreface = true
    }
    while let frame = frames.next() {
      switch frame.type {
      case 0:
        let request = served.first { $0.stream == frame.stream }
        // One that was reset here may have been on its way.
        if let request { content(frame.payload, request) }
        if !frame.payload.isEmpty {
          reply(HTTP2Reader.windowUpdate(0, frame.payload.count) + HTTP2Reader.windowUpdate(frame.stream, frame.payload.count))
        }
        if frame.flags & 1 != 0, let request { ended(request) }
      case 1, 9:
        if frame.type == 1 { section = (frame.stream, frame.flags & 1 != 0) }
        guard let fields = frames.fields(frame), let section else { continue }
        self.section = nil
        began(section.stream, fields, end: section.end)
      case 3: served.removeAll { $0.stream == frame.stream }
      case 4: if frame.flags & 1 == 0 { reply(HTTP2Reader.frame(4, 1)) }
      case 6: if frame.flags & 1 == 0 { reply(HTTP2Reader.frame(6, 1, 0, frame.payload)) }
      default: break
      }
    }
  }

  /// Not in the middle of a frame that is not whole.
  private func reply(_ frame: [UInt8]) {
    if rest.isEmpty { say(frame) } else { rest += frame }
  }

  private func began(_ stream: Int32, _ fields: [(name: String, value: String)], end: Bool) {
    if let request = served.first(where: { $0.stream == stream }) {
      // Trailers.
      if end { ended(request) }
      return
    }
    let values = Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in violation("a field stands twice: \(first)") }
    guard let method = values[":method"], let path = values[":path"] else { violation("no pseudo-fields on \(stream)") }
    let request = begin(method, path, stream) { values[$0] }
    request.opensTunnel = values[":protocol"] == "websocket"
    served.append(request)
    if end { ended(request) }
    // A tunnel's request has no end before its tunnel.
    if answersAlone, rest.isEmpty, request.opensTunnel, request.state == .waits { accept(request) }
  }

  // MARK: Answers

  /// Something about an answer that is not as usual.
  enum Manner: Int {
    case usual
    /// It is the last of its connection, and says so; or is said by the version.
    case closes, old
    /// Interim heads stand in front of it: it goes on, or there is something to load early.
    case behindContinue, behindHints
    /// The rest follows when the script says so.
    case inHalves
    case refuses
  }

  /// Answers the oldest request that waits.
  func answer(_ what: Int, size: Int, _ manner: Manner) {
    guard isUp, rest.isEmpty, !isSpoiled, let request = served.first(where: { $0.state == .waits }) else { return }
    self.manner = manner
    defer { self.manner = .usual }
    switch manner {
    case .behindContinue: say(headBytes(request, 100, [], end: false))
    case .behindHints: for _ in 0..<3 { interim(request, 20) }
    default: break
    }
    switch what {
    case 0: whole(request, size)
    case 1: head(request, request.status, length: size + 100)
    case 2: head(request, request.status)
    case 3: interim(request, size)
    case 4, 5:
      head(request, what == 4 ? 204 : 304, ends: true)
    case 6: head(request, request.status, untilEnd: true)
    case 7:
      whole(request, size)
      speakUnasked(0)
    case 8: accept(request)
    default:
      let bytes = headBytes(request, request.status, [("content-length", "0")], end: true)
      let cut = min(bytes.count - 1, 1 + size % bytes.count)
      rest = Array(bytes[cut...])
      say(Array(bytes[..<cut]))
      ledger[request.mark] = Ledger.Answer(count: 0, isWhole: true)
      request.state = .over
    }
  }

  private var manner = Manner.usual

  private func headBytes(_ request: Served, _ status: Int, _ fields: [(String, String)], end: Bool) -> [UInt8] {
    var fields = [("x-answer", request.mark.description)] + fields
    let status = manner == .refuses && status == 200 ? 503 : status
    if isHTTP2 { return HTTP2Reader.headers(request.stream, [(":status", String(status))] + fields, end: end) }
    if manner == .closes, status >= 200 { fields.append(("connection", "close")) }
    let version = manner == .old && status >= 200 && !request.isChunked ? 0 : 1
    return Array(("HTTP/1.\(version) \(status) So\r\n" + fields.map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n").utf8)
  }

  private func head(_ request: Served, _ status: Int, length: Int? = nil, untilEnd: Bool = false, ends: Bool = false) {
    var fields: [(String, String)] = []
    request.promised = length
    request.isChunked = !isHTTP2 && length == nil && !untilEnd && !ends
    request.isUntilEnd = untilEnd
    if let length { fields.append(("content-length", String(length))) }
    if request.isChunked { fields.append(("transfer-encoding", "chunked")) }
    say(headBytes(request, status, fields, end: ends))
    ledger[request.mark] = Ledger.Answer(count: 0, isWhole: ends)
    request.state = ends || request.method == "HEAD" && !isHTTP2 ? .over : .answering
  }

  private func whole(_ request: Served, _ size: Int) {
    let hasContent = request.method != "HEAD" && size > 0
    var bytes = headBytes(request, request.status, [("content-length", String(size))], end: !hasContent)
    if hasContent {
      let content = request.mark.content(size, at: 0)
      bytes += isHTTP2 ? HTTP2Reader.data(request.stream, content, end: true) : content
    }
    ledger[request.mark] = Ledger.Answer(count: hasContent ? size : 0, isWhole: true)
    request.state = .over
    if manner == .inHalves {
      rest = Array(bytes[(bytes.count / 2)...])
      bytes.removeLast(rest.count)
    }
    say(bytes)
  }

  // MARK: Unasked

  /// HTTP/1.1 knows an answer by its place alone. One that is on its way before the request is there is nobody's, and whoever reads
  /// it has to see that; once any byte of a request has come this far, be it unread, the same bytes are its answer, and there is
  /// nothing to be seen.
  private func speakUnasked(_ what: Int) {
    guard !isHTTP2, rest.isEmpty, sayUnasked(Self.unasked[what % Self.unasked.count]) else { return }
    hasSpokenUnasked = true
  }

  private static let unasked = [
    "HTTP/1.1 200 OK\r\nx-answer: unasked!\r\ncontent-length: 8\r\n\r\nunasked!",
    "HTTP/1.1 408 Request Timeout\r\nx-answer: unasked!\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nx-answer: unasked!\r\n\r\n", "HTTP/1.1 204 No Content\r\nx-answer: unasked!\r\n\r\n",
    "HTTP/1.1 2", "u", "\r\n", "0\r\n\r\n",
  ].map { Array($0.utf8) }

  /// No request is under way here, and none on its way.
  private var isBetween: Bool {
    isUp && !isHTTP2 && rest.isEmpty && reader.isBetween && served.allSatisfy { $0.state == .over } && isSilent
  }

  private func interim(_ request: Served, _ size: Int) {
    say(headBytes(request, 103, [("link", String(repeating: "x", count: min(size, 60_000)))], end: false))
  }

  private func accept(_ request: Served) {
    guard request.opensTunnel else { return head(request, 101, ends: true) }
    request.state = .tunnel
    if isHTTP2 { return say(headBytes(request, 200, [], end: false)) }
    guard let key = request.key else { violation("\(request.mark) has no key") }
    let accept = String(decoding: WebSocketKey.accept(Array(key.utf8).span), as: UTF8.self)
    say(headBytes(request, 101, [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", accept)], end: false))
    reader.frame(.tunnel)
  }

  // MARK: What follows

  func further(_ what: Int, size: Int, manner: Int) {
    guard isUp, !isSpoiled else { return }
    if what == 4 {
      say(rest)
      rest = []
      return
    }
    guard rest.isEmpty else { return }
    let request = served.first { $0.state == .answering }
    switch what {
    case 0: if let request { more(request, size) }
    case 1, 2: if let request { end(request, trailers: what == 2) }
    case 3:
      push()
      guard isBetween else { return }
      speakUnasked(manner)
      push()
    case 5, 6:
      guard let tunnel = served.first(where: { $0.state == .tunnel }) else { return }
      let frame = what == 5 ? [0x82, 0x08] + tunnel.mark.text : [0x88, 0x02, 0x03, 0xe8]
      say(isHTTP2 ? HTTP2Reader.data(tunnel.stream, frame, end: false) : frame)
    case 7:
      // Through a WebSocket any bytes are that WebSocket's, and go to its own client.
      if !isHTTP2, served.contains(where: { $0.state == .tunnel }) { return }
      // And so in the middle of content that has no frame of its own.
      if !isHTTP2, let request, !request.isChunked { return }
      isSpoiled = true
      say(isHTTP2 ? HTTP2Reader.frame(0, 0, 0, [1]) : Array("\0\0\0\r\n\r\n".utf8))
    case 8:
      guard let request else { return }
      end(request, trailers: false)
      speakUnasked(manner)
    default:
      if isHTTP2 { say(HTTP2Reader.settings([(4, UInt32(size))]) + HTTP2Reader.frame(6, 0, 0, Array(repeating: 1, count: 8))) }
    }
  }

  private func more(_ request: Served, _ size: Int) {
    let position = ledger[request.mark].count
    let count = request.promised.map { min(size, $0 - position) } ?? size
    guard count > 0, request.method != "HEAD" else { return }
    let content = request.mark.content(count, at: position)
    ledger[request.mark].count += count
    if isHTTP2 {
      say(HTTP2Reader.data(request.stream, content, end: false))
    } else if request.isChunked {
      say(Array((String(count, radix: 16) + "\r\n").utf8) + content + Array("\r\n".utf8))
    } else {
      say(content)
      if request.promised == position + count { over(request) }
    }
  }

  private func over(_ request: Served) {
    ledger[request.mark].isWhole = true
    request.state = .over
  }

  private func end(_ request: Served, trailers: Bool) {
    if let promised = request.promised { more(request, promised) }
    if request.state == .answering {
      over(request)
      if isHTTP2 {
        let trailer = trailers ? HTTP2Reader.headers(request.stream, [("x-trailer", request.mark.description)], end: true) : nil
        say(trailer ?? HTTP2Reader.data(request.stream, [], end: true))
      } else if request.isChunked {
        say("0\r\n" + (trailers ? "x-trailer: \(request.mark)\r\n" : "") + "\r\n")
      } else {
        // Until the end of the connection.
        end(.clean)
      }
    }
  }

  /// As many interim heads as the script says, in one piece.
  func hint(_ count: Int, size: Int) {
    guard isUp, rest.isEmpty, !isSpoiled, let request = served.first(where: { $0.state == .waits }) else { return }
    for _ in 0..<count { interim(request, size) }
  }

  /// Ends the connection, or a stream of it.
  func leave(_ how: Int) {
    switch how {
    case 0: end(.abrupt)
    case 1, 2:
      // It may be what an answer's end is known by.
      if !isHTTP2, rest.isEmpty, let request = served.last, request.state == .answering, request.isUntilEnd { over(request) }
      end(how == 1 ? .clean : .half)
    case 3...6:
      guard isHTTP2, isUp, rest.isEmpty else { return end(.abrupt) }
      let last = served.last?.stream ?? 0
      switch how {
      case 3: say(HTTP2Reader.goAway(last: 0x7fff_ffff))
      case 4: say(HTTP2Reader.goAway(last: max(0, last - 2)))
      default:
        guard let request = served.last(where: { $0.state != .over }) else { return }
        request.state = .over
        say(HTTP2Reader.reset(request.stream, how == 5 ? 2 : 7))
      }
    default:
      garble()
      end(.abrupt)
    }
  }
}
