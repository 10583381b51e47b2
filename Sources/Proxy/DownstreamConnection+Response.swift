import Bytes
import HTTP
import HTTP1
import WebSocket

/// Answers on their way out: the backend's, passed on, and the gateway's own.
extension DownstreamConnection {
  /// Writes the head of a backend's response, final or interim.
  func respond(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) {
    output.borrow(from: buffers)
    if head.isInterim {
      // HTTP/1.0 has no interim responses.
      guard exchange.head.minorVersion == 1 else { return }
      ResponseFields.writeInterim(head, bytes, to: &output)
      output.append("\r\n")
      return
    }
    responseHasNoContent = exchange.head.method == .head || head.status == 204 || head.status == 304
    var framing = ResponseFields.Framing.asGiven
    responseIsChunked = false
    if !responseHasNoContent {
      switch head.framing {
      case .length: break
      case .none: framing = .empty
      case .chunked, .untilClose, .stream:
        if exchange.head.minorVersion == 1 {
          framing = .chunked
          responseIsChunked = true
        } else {
          framing = .untilEnd
          closesAfterResponse = true
        }
      }
    }
    // A backend that has refused the request, or goes, will take no more of it, and the connection ends with the answer; behind one that
    // has not, the request may still come to its end (see `responseCompleted`).
    if head.status >= 300 || !head.isPersistent || exchange.expectation.isOpen { noteEarlyAnswer(exchange) }
    ResponseFields.write(
      head, bytes, framing: framing, persistence: persistence(exchange), now: worker.seconds, to: &output)
    output.append("\r\n")
  }

  func respondContinue() {
    output.borrow(from: buffers)
    output.append("HTTP/1.1 100 Continue\r\n\r\n")
    if !isInsideReceived { finishTurn() }
  }

  /// 101, and from here on the connection is the WebSocket's.
  func respondTunnel(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) {
    output.borrow(from: buffers)
    ResponseFields.writeTunnel(head, bytes, status: 101, marker: exchange.tokenProtocolMarker, to: &output)
    output.append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
    output.append(WebSocketKey.accept(exchange.slice(exchange.head.webSocketKey).span))
    output.append("\r\n\r\n")
    responseHasNoContent = false
    responseIsChunked = false
    closesAfterResponse = true
    state = .readingContent
    content = .tunnel
  }

  func respondContent(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard !responseHasNoContent, !bytes.isEmpty else { return }
    output.borrow(from: buffers)
    if responseIsChunked {
      ChunkedEncoder.beginChunk(bytes.count, into: &output)
      send(bytes)
      guard isOpen else { return }
      output.borrow(from: buffers)
      ChunkedEncoder.endChunk(into: &output)
    } else {
      send(bytes)
    }
  }

  /// Trailers come between the last chunk's line and the message's end (RFC 9112 section 7.1.2).
  func respondTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isFirst: Bool) {
    guard responseIsChunked else { return }
    output.borrow(from: buffers)
    if isFirst { ChunkedEncoder.beginTrailers(into: &output) }
    HeadWriter.field(name.span, value.span, into: &output)
  }

  /// The end of a backend's response.
  func respondEnd(hadTrailers: Bool) {
    guard responseIsChunked else { return }
    output.borrow(from: buffers)
    if !hadTrailers { ChunkedEncoder.beginTrailers(into: &output) }
    ChunkedEncoder.endTrailers(into: &output)
  }

  /// The gateway's own answer, whole.
  func respondError(_ error: GatewayError, to exchange: Exchange) {
    if error.endsConnection { closesAfterResponse = true }
    noteEarlyAnswer(exchange)
    output.borrow(from: buffers)
    if let type = exchange.statusType {
      GRPC.writeRefusal(error, type: type, now: worker.seconds, to: &output)
      output.append("Content-Length: 0\r\n")
      ResponseFields.end(persistence(exchange), to: &output)
      return output.append("\r\n")
    }
    var problem = ByteQueue()
    ErrorResponder.problem(error, exchange.requestID, to: &problem)
    ErrorResponder.writeHead(
      error, exchange: exchange, contentLength: problem.count, persistence: persistence(exchange), now: worker.seconds, to: &output)
    output.append("\r\n")
    if exchange.head.method != .head { output.append(problem.readable) }
  }

  func respondRedirect(to location: UnsafeBufferPointer<UInt8>, _ exchange: Exchange) {
    exchange.expectation.answered()
    noteEarlyAnswer(exchange)
    output.borrow(from: buffers)
    ErrorResponder.writeRedirect(to: location, persistence: persistence(exchange), now: worker.seconds, to: &output)
    output.append("\r\n")
  }

  /// A response that the gateway serves itself, with content of `type`.
  func respondOwn(_ content: [UInt8], type: StaticString, status: UInt16, to exchange: Exchange) {
    exchange.expectation.answered()
    noteEarlyAnswer(exchange)
    output.borrow(from: buffers)
    ErrorResponder.writeHead(
      status, ofType: type, contentLength: content.count, persistence: persistence(exchange), now: worker.seconds, to: &output)
    output.append("\r\n")
    if exchange.head.method != .head { output.append(content) }
  }

  private func persistence(_ exchange: Exchange) -> ResponseFields.Persistence {
    if closesAfterResponse { return .close }
    return exchange.head.minorVersion == 0 ? .keepAlive : .implied
  }

  /// Cuts the client off in the middle of a response, so that it cannot take a part for the whole: no last chunk, no
  /// close_notify.
  func abort() {
    if isOpen { close() }
  }
}
