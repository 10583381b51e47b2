import Bytes
import HTTP
import HTTP1

/// The request's content on its way in: unframed here, handed to the exchange in runs.
extension DownstreamConnection {
  /// Hands content on. True when something was done and `received` should look again.
  func readContent() -> Bool {
    guard let exchange else { return false }
    if !exchange.takesContent {
      // No connection to the backend yet, or the backend is slower than the client.
      pauseReading(watching: true)
      return false
    }
    let bytes = input.readable
    guard !bytes.isEmpty else { return false }
    switch content {
    case .none:
      endContent(exchange)
      return true
    case .length(let rest):
      let count = bytes.count < rest ? bytes.count : Int(rest)
      content = rest == count ? .none : .length(rest &- UInt64(count))
      setContentDeadline(after: count)
      exchange.requestContent(UnsafeBufferPointer(rebasing: bytes[..<count]))
      guard isOpen else { return false }
      input.consume(count)
      if case .none = content, state == .readingContent { endContent(exchange) }
      return true
    case .chunked:
      return readChunks(exchange, bytes)
    case .tunnel:
      exchange.requestContent(bytes)
      guard isOpen else { return false }
      input.consume(bytes.count)
      return true
    }
  }

  private func readChunks(_ exchange: Exchange, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var consumed = 0
    defer { if isOpen { input.consume(consumed) } }
    while state == .readingContent, exchange.takesContent {
      switch decoder.next(bytes.span, consumed: &consumed) {
      case .needMore:
        return false
      case .data(let range):
        setContentDeadline(after: Int(range.count))
        exchange.requestContent(UnsafeBufferPointer(rebasing: bytes[range.start..<range.end]))
      case .trailer(let name, let value):
        exchange.requestTrailer(
          UnsafeBufferPointer(rebasing: bytes[name.start..<name.end]),
          UnsafeBufferPointer(rebasing: bytes[value.start..<value.end]))
      case .end:
        content = .none
        endContent(exchange)
        return true
      case .failed(let error):
        closesAfterResponse = true
        endedInError = true
        exchange.interrupt(GatewayError(error))
        return true
      }
      guard isOpen else { return false }
    }
    return true
  }

  /// The client ends its side of a tunnel: the backend hears of it, and what it still says is passed on.
  func endTunnel() {
    pauseReading()
    guard !tunnelIsEnding, let exchange else { return close() }
    tunnelIsEnding = true
    exchange.requestEnded()
  }

  private func endContent(_ exchange: Exchange) {
    state = .awaitingResponse
    arm(0)
    exchange.requestEnded()
  }

  /// A tunnel may be silent for as long as its backend's time-out says.
  func setContentDeadline(after count: Int = 0) {
    guard !content.isTunnel, let exchange else { return arm(0) }
    arm(until: exchange.awaitContent(after: count))
  }

  /// Drops content that came after an early answer. True when the request's end was reached.
  func discardContent() -> Bool {
    guard case .length(let rest) = content else {
      nextRequest()
      return true
    }
    let count = input.count < rest ? input.count : Int(rest)
    input.consume(count)
    guard count == rest else {
      content = .length(rest &- UInt64(count))
      if count > 0 { armLingering(.patient) }
      return false
    }
    content = .none
    nextRequest()
    return true
  }

  /// The exchange can take content again.
  func resumeContent() {
    guard isOpen, state == .readingContent else { return }
    setContentDeadline()
    readOn()
  }
}
