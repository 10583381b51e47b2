import CLinux
import Reactor

/// What follows an answer: the next request, or the end of the connection.
extension DownstreamConnection {
  /// The response is complete. Goes on with the next request, or ends.
  func responseCompleted() {
    exchangeDeadline = 0
    let wasWebSocket = exchange?.head.isWebSocket ?? false
    exchange = nil
    switch state {
    case .readingContent:
      if closesAfterResponse || !willDiscard { return startFlushing() }
      state = .discarding
      setDeadline(Self.lingerTime)
      if isReadingPaused { resumeReading() }
    case .awaitingResponse:
      // What follows a request for a WebSocket that was refused may be no HTTP at all.
      if wasWebSocket, !input.isEmpty { closesAfterResponse = true }
      if closesAfterResponse { return startFlushing() }
      nextRequest()
    default:
      break
    }
  }

  /// Whether what is left of the request is worth reading for the sake of the connection.
  var willDiscard: Bool {
    if owesContinue { return false }
    if case .length(let rest) = content { return rest <= Self.discardLimit }
    return false
  }

  /// Ready for the next request, which may be in `input` already. Called from within `received` for an answer made on
  /// the spot, and from a backend's event otherwise.
  func nextRequest() {
    state = .idle
    armIdle()
    if isReadingPaused {
      resumeReading()
    } else if !input.isEmpty {
      received()
    } else if input.isEmpty {
      input.giveBack(to: buffers)
    }
  }

  /// Ends the connection once what is in `output` has been written.
  func startFlushing() {
    state = .flushing
    lingers = !input.isEmpty || content.isUnfinished || endedInError
    setDeadline(context.bodyTimeout)
  }

  func endAfterFlush() {
    guard lingers else { return endGracefully() }
    wire.shutdown()
    _ = CLinux.shutdown(descriptor.raw, Int32(SHUT_WR))
    state = .lingering
    setDeadline(Self.lingerTime)
    if isReadingPaused { resumeReading() }
  }

  /// Says goodbye (close_notify) and closes.
  func endGracefully() {
    guard isOpen else { return }
    if phase == .open { wire.shutdown() }
    close()
  }

  /// Requests under way.
  var exchanges: [Exchange] { http2?.exchanges ?? exchange.map { [$0] } ?? [] }

  /// Ends an idle connection, and makes a busy one end with its answer.
  package func drain() {
    switch state {
    case .idle: endGracefully()
    case .http2: http2?.drain()
    case .proxyHeader, .handshaking: close()
    default: closesAfterResponse = true
    }
  }
}
