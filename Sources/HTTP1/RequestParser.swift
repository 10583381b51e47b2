import Bytes
import HTTP

/// Reads request heads of HTTP/1.1 and HTTP/1.0 (RFC 9112), in place and strictly: what could be read in two ways is refused.
///
/// `parse` is called with the bytes of the head so far, from its first byte on, as often as more of them arrive; they may
/// have moved in memory. A line is judged once it is whole, so that the answer does not depend on how the bytes were cut
/// into pieces, and is read at most twice, so that a client who sends one byte at a time costs linear time.
///
/// Cost: 8,300 instructions for a browser's GET of 18 fields and 1,569 bytes, 800 of them an access token, arriving at once
/// (callgrind, release build): 2,600 to look at every byte (`ByteScan`), 1,360 to recognise names, 900 for the request line.
package struct RequestParser {
  /// Empty lines that may stand before a request line (RFC 9112 section 2.2): what old clients send behind a POST's content.
  private static let emptyLines = 2
  /// What a request line may hold besides the target: a method of up to 53 bytes, two spaces, version and CRLF.
  private static let requestLineOverhead = 64

  private enum Phase: Equatable {
    case requestLine
    case fields
    case failed(HeadError)
  }

  private let limits: HeadLimits
  private var phase = Phase.requestLine
  /// Where the line begins that is being read.
  private var lineStart = 0
  /// Up to here there is no LF behind `lineStart`.
  private var scanned = 0
  private var emptyLinesSeen = 0
  private var framing = MessageFraming()
  private var hasHost = false
  private var webSocket = WebSocketRequest()
  private var expectsContinue = false

  package init(limits: HeadLimits) {
    self.limits = limits
  }

  /// Forgets the head that was begun. A parser that said `complete` has done so itself.
  package mutating func reset() {
    self = RequestParser(limits: limits)
  }

  /// Reads on.
  ///
  /// - Parameters:
  ///   - bytes: everything from the head's first byte on; what follows the head does no harm.
  ///   - head: reset when a head begins; ranges are offsets into `bytes`. Undefined until `complete`.
  /// - Returns: after `failed`, the same error again until `reset()`.
  package mutating func parse(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadProgress {
    switch phase {
    case .failed(let error): return .failed(error)
    case .requestLine:
      if let progress = parseRequestLine(bytes, into: &head) { return progress }
    case .fields:
      // Looked at before and found cut off: wait for its end before reading it again.
      let end = min(bytes.count, limits.headerBytes)
      if scanned > lineStart, ByteScan.lineFeed(bytes, from: scanned, to: end) == nil { return stall(bytes, at: end) }
    }
    return parseFields(bytes, into: &head)
  }

  // MARK: Request line

  /// Nil when the request line is read and the fields follow.
  private mutating func parseRequestLine(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadProgress? {
    while true {
      let longest = lineStart &+ limits.uriBytes &+ RequestParser.requestLineOverhead
      let end = min(bytes.count, limits.headerBytes, longest)
      guard let lineFeed = ByteScan.lineFeed(bytes, from: scanned, to: end) else {
        return end == longest && longest < limits.headerBytes ? fail(.uriTooLong) : stall(bytes, at: end)
      }
      guard lineFeed > lineStart, bytes[lineFeed &- 1] == 0x0d else { return fail(.badRequest) }
      let line = lineStart..<(lineFeed &- 1)
      lineStart = lineFeed &+ 1
      scanned = lineStart
      if line.isEmpty {
        guard emptyLinesSeen < RequestParser.emptyLines else { return fail(.badRequest) }
        emptyLinesSeen &+= 1
        continue
      }
      head.reset()
      if let error = RequestLine.read(line, of: bytes, uriBytes: limits.uriBytes, into: &head) { return fail(error) }
      phase = .fields
      return nil
    }
  }

  // MARK: Fields

  private mutating func parseFields(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadProgress {
    let end = min(bytes.count, limits.headerBytes)
    while true {
      switch FieldLine.read(bytes, at: lineStart, to: end) {
      case .field(let field, let next):
        lineStart = next
        scanned = next
        guard head.fields.count < limits.headerCount, head.fields.append(field) else { return fail(.headersTooLarge) }
        if case .other = field.id { continue }
        if let error = note(field, in: bytes, of: &head) { return fail(error) }
      case .end(let next):
        return finish(at: next, bytes, &head)
      case .incomplete:
        return stall(bytes, at: end)
      case .malformed:
        return ByteScan.lineFeed(bytes, from: lineStart, to: end) == nil ? stall(bytes, at: end) : fail(.badRequest)
      }
    }
  }

  private mutating func note(_ field: HeaderField, in bytes: Span<UInt8>, of head: inout RequestHead) -> HeadError? {
    switch field.id {
    case .host:
      guard !hasHost else { return .badHost }
      hasHost = true
      let host = bytes.extracting(field.value.bounds)
      guard Authority(host) != nil else { return .badHost }
      if head.authority.isEmpty {
        head.authority = field.value
      } else if !host.equalsIgnoringCase(bytes.extracting(head.authority.bounds)) {
        return .badHost
      }
    case .contentLength, .transferEncoding, .connection:
      return framing.note(field, in: bytes, minorVersion: head.minorVersion)
    case .expect:
      // An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1).
      guard head.minorVersion == 1 else { return nil }
      guard bytes.extracting(field.value.bounds).equalsIgnoringCase("100-continue") else { return .expectationFailed }
      expectsContinue = true
    case .upgrade, .secWebSocketKey, .secWebSocketVersion:
      webSocket.note(field, in: bytes)
    default:
      break
    }
    return nil
  }

  private mutating func finish(at next: Int, _ bytes: Span<UInt8>, _ head: inout RequestHead) -> HeadProgress {
    guard hasHost || head.minorVersion == 0 else { return fail(.badHost) }
    head.length = next
    var hasContent = false
    if framing.isChunked {
      head.framing = .chunked
      hasContent = true
    } else if let length = framing.contentLength {
      head.framing = .length(length)
      hasContent = length > 0
    }
    head.isPersistent = framing.isPersistent(minorVersion: head.minorVersion)
    head.hasConnectionOptions = framing.connection.namesFields
    if framing.connection.namesFields { HopByHop.markNominated(in: &head.fields, bytes) }
    head.expectsContinue = expectsContinue && hasContent
    // HTTP/1.0 has no upgrade (RFC 9110 section 7.8).
    if framing.connection.upgrade, head.minorVersion == 1, head.method == .get, head.framing == .none, webSocket.isComplete {
      head.isWebSocket = true
      head.webSocketKey = webSocket.key
    }
    reset()
    return .complete
  }

  // MARK: Ends

  /// Whether what there is of a head that is given up begins as a `HEAD` request does: the answer has no content then, whatever else was
  /// wrong (RFC 9110 section 9.3.2).
  package static func asksForHead(_ bytes: Span<UInt8>) -> Bool {
    var start = 0
    while start < 2 * emptyLines, start &+ 1 < bytes.count, bytes[start] == 0x0d, bytes[start &+ 1] == 0x0a { start &+= 2 }
    return bytes.count >= start &+ 5 && bytes.extracting(start..<(start &+ 5)).equals("HEAD ")
  }

  /// The line is not whole in `bytes[..<end]`: too long if it may not go on.
  private mutating func stall(_ bytes: Span<UInt8>, at end: Int) -> HeadProgress {
    if end == limits.headerBytes { return fail(.headersTooLarge) }
    scanned = end
    return .needMore
  }

  private mutating func fail(_ error: HeadError) -> HeadProgress {
    phase = .failed(error)
    return .failed(error)
  }
}
