import Reactor

/// The end of a drain: whatever is still under way ends now, each request with its answer, if none had begun, and its line in the log.
extension WorkerContext {
  /// Milliseconds that a slow reader of the access log has for what is left.
  private static let logPatience: UInt64 = 1_000

  /// What the clients are told leaves in the turns to come; who waits for that is whoever has this called.
  package func cutOff() {
    let connections = loop.channels().compactMap { $0 as? DownstreamConnection }
    // Who waits for a backend goes first: else they got the places of those that end, and were sent for nothing.
    for isSent in [false, true] {
      for connection in connections where connection.isOpen && connection.state != .readingHead {
        for exchange in connection.exchanges where (exchange.state.upstream == .sending) == isSent { exchange.cutOff() }
      }
    }
    for connection in connections where connection.isOpen { connection.cutOff() }
  }

  /// The loop has stopped and closed all: nothing is kept for a next request, and nobody holds anybody any more.
  package func close() {
    letGo()
    let isWritten = log.finish(within: Self.logPatience)
    reportUnwritten(atTheEnd: true)
    if !isWritten { report("the access log's reader stalled: the last lines are lost") }
  }
}

extension DownstreamConnection {
  /// Takes nothing more, and ends as soon as what is in its queues has been written.
  func cutOff() {
    switch state {
    case .readingHead: endGracefully()
    case .http2: http2?.retire()
    default: drain()
    }
  }
}
