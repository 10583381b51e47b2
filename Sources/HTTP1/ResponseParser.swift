import Bytes
import HTTP

/// Reads response heads of HTTP/1.1 and HTTP/1.0 (RFC 9112) from a backend, as strictly as `RequestParser` reads requests and
/// called in the same way.
///
/// A backend whose framing is in doubt is not trusted with the connection: its head is refused, or where the RFC
/// leaves no doubt about this message but some about the next, `isPersistent` is false.
package struct ResponseParser {
  private enum Phase: Equatable {
    case statusLine
    case fields
    case failed(HeadError)
  }

  private let limits: HeadLimits
  private var phase = Phase.statusLine
  private var lineStart = 0
  /// Up to here there is no LF behind `lineStart`.
  private var scanned = 0
  private var framing = MessageFraming()

  /// - Parameter limits: `uriBytes` plays no part.
  package init(limits: HeadLimits) {
    self.limits = limits
  }

  /// Forgets the head that was begun. A parser that said `complete` has done so itself.
  package mutating func reset() {
    self = ResponseParser(limits: limits)
  }

  /// Reads on. Interim responses are heads of their own: parse again behind one.
  ///
  /// - Parameters:
  ///   - bytes: everything from the head's first byte on; what follows the head does no harm.
  ///   - head: reset when a head begins; ranges are offsets into `bytes`. Undefined until `complete`.
  ///   - requestMethod: of the request that this answers: it decides whether there is content.
  /// - Returns: after `failed`, the same error again until `reset()`.
  package mutating func parse(
    _ bytes: Span<UInt8>, into head: inout ResponseHead, requestMethod: HTTPMethod
  ) -> HeadProgress {
    let end = min(bytes.count, limits.headerBytes)
    switch phase {
    case .failed(let error):
      return .failed(error)
    case .statusLine:
      guard let lineFeed = ByteScan.lineFeed(bytes, from: scanned, to: end) else { return stall(at: end) }
      guard lineFeed > 0, bytes[lineFeed &- 1] == 0x0d else { return fail(.badRequest) }
      head.reset()
      if let error = ResponseParser.readStatusLine(0..<(lineFeed &- 1), of: bytes, into: &head) { return fail(error) }
      lineStart = lineFeed &+ 1
      scanned = lineStart
      phase = .fields
    case .fields:
      if scanned > lineStart, ByteScan.lineFeed(bytes, from: scanned, to: end) == nil { return stall(at: end) }
    }
    return parseFields(bytes, to: end, into: &head, requestMethod: requestMethod)
  }

  /// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 section 4). A missing second space is forgiven when
  /// nothing follows: backends forget it, and it hides nothing. Codes from 100 to 599 (RFC 9110 section 15).
  private static func readStatusLine(_ line: Range<Int>, of bytes: Span<UInt8>, into head: inout ResponseHead) -> HeadError? {
    let version = HTTPVersion.length
    guard line.count >= version &+ 4 else { return .badRequest }
    if let error = HTTPVersion.read(bytes.extracting(0..<version), into: &head.minorVersion) { return error }
    let code = version &+ 1
    guard bytes[version] == 0x20, bytes[code] &- 0x31 < 5, bytes[code &+ 1] &- 0x30 < 10, bytes[code &+ 2] &- 0x30 < 10
    else { return .badRequest }
    head.status =
      UInt16(bytes[code] &- 0x30) &* 100 &+ UInt16(bytes[code &+ 1] &- 0x30) &* 10 &+ UInt16(bytes[code &+ 2] &- 0x30)
    let reason = code &+ 4
    guard line.upperBound >= reason else { return nil }
    guard bytes[reason &- 1] == 0x20 else { return .badRequest }
    var index = reason
    while index < line.upperBound {
      let byte = bytes[index]
      guard byte >= 0x20 && byte != 0x7f || byte == 0x09 else { return .badRequest }
      index &+= 1
    }
    head.reason = ByteRange(offset: reason, count: line.upperBound &- reason)
    return nil
  }

  private mutating func parseFields(
    _ bytes: Span<UInt8>, to end: Int, into head: inout ResponseHead, requestMethod: HTTPMethod
  ) -> HeadProgress {
    while true {
      switch FieldLine.read(bytes, at: lineStart, to: end) {
      case .field(let field, let next):
        lineStart = next
        scanned = next
        guard head.fields.count < limits.headerCount, head.fields.append(field) else { return fail(.headersTooLarge) }
        guard MessageFraming.concerns(field.id) else { continue }
        if let error = framing.note(field, in: bytes, minorVersion: head.minorVersion) { return fail(error) }
      case .end(let next):
        head.length = next
        if head.status == 101 { head.isWebSocket = switchesToWebSocket(head, bytes) }
        finish(&head, bytes, requestMethod: requestMethod)
        return .complete
      case .incomplete:
        return stall(at: end)
      case .malformed:
        return ByteScan.lineFeed(bytes, from: lineStart, to: end) == nil ? stall(at: end) : fail(.badRequest)
      }
    }
  }

  private func switchesToWebSocket(_ head: borrowing ResponseHead, _ bytes: Span<UInt8>) -> Bool {
    guard framing.connection.upgrade, let index = head.fields.first(.upgrade), head.fields.first(.upgrade, from: index + 1) == nil
    else { return false }
    return bytes.extracting(head.fields[index].value.bounds).equalsIgnoringCase("websocket")
  }

  /// RFC 9112 section 6.3, in its order.
  private mutating func finish(_ head: inout ResponseHead, _ bytes: Span<UInt8>, requestMethod: HTTPMethod) {
    head.isPersistent = framing.isPersistent(minorVersion: head.minorVersion)
    head.hasConnectionOptions = framing.connection.namesFields
    if framing.connection.namesFields { HopByHop.markNominated(in: &head.fields, bytes) }
    let announcesContent = framing.isChunked || (framing.contentLength ?? 0) > 0
    if head.status < 200 || head.status == 204 {
      head.framing = .none
      // Such a response has no content whatever it says; a backend that says otherwise may well send some.
      if announcesContent { head.isPersistent = false }
    } else if requestMethod == .connect, head.status < 300 {
      // The connection is a tunnel from here on, no more a place for responses.
      head.framing = .none
      head.isPersistent = false
    } else if requestMethod == .head || head.status == 304 {
      head.framing = .none
    } else if framing.isChunked {
      head.framing = .chunked
    } else if let length = framing.contentLength {
      head.framing = .length(length)
    } else {
      head.framing = .untilClose
      head.isPersistent = false
    }
    reset()
  }

  /// The line is not whole in `bytes[..<end]`: too long if it may not go on.
  private mutating func stall(at end: Int) -> HeadProgress {
    if end == limits.headerBytes { return fail(.headersTooLarge) }
    scanned = end
    return .needMore
  }

  private mutating func fail(_ error: HeadError) -> HeadProgress {
    phase = .failed(error)
    return .failed(error)
  }
}
