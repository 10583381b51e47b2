/// The client has ended its side, in so many words: close_notify, or FIN where there is no TLS. It may still be reading (RFC 9112
/// section 9.6): what it has asked for whole is answered, and then the connection ends.
///
/// Whether it reads nobody can know before something is written. A client that is gone answers that with a reset, which ends everything.
extension DownstreamConnection {
  /// Looks at what the end means for whatever is under way: when it comes, and whenever more of what came before it was taken.
  func inputEnded() {
    switch state {
    case .proxyHeader, .handshaking, .readingHead, .lingering:
      // Half a request asks for nothing.
      close()
    case .http2:
      http2?.inputEnded()
    case .readingContent:
      contentEnded()
    case .awaitingResponse:
      // The answer's head may still say so.
      if input.isEmpty { closesAfterResponse = true }
    case .idle, .discarding:
      // Further requests wait until the client has taken more of its answers.
      if state == .idle, !input.isEmpty { return }
      startFlushing()
      finishTurn()
    case .flushing:
      break
    }
  }

  /// Content that can still become whole is all in `input`, and waits for a backend that takes it.
  private func contentEnded() {
    switch content {
    case .tunnel:
      if input.isEmpty, !tunnelIsEnding { endTunnel() }
    case .length(let rest) where input.count < rest: close()
    case .length, .chunked: if !isReadingPaused { close() }
    case .none: break
    }
  }
}
