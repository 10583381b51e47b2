import CLinux
import Limits
import Reactor

/// What follows an answer: the next request, or the end of the connection.
extension DownstreamConnection {
  /// The response is complete. Goes on with the next request, or ends.
  func responseCompleted() {
    exchangeDeadline = 0
    answerDeadline = 0
    if answerPace != nil { answerPace = nil }
    let wasWebSocket = exchange?.head.isWebSocket ?? false
    exchange = nil
    switch state {
    case .readingContent:
      if closesAfterResponse || !willDiscard { return startFlushing() }
      state = .discarding
      lingerEnd = loop.now &+ Lingering.patient.time
      armLingering(.patient)
      if isReadingPaused { readOn() }
    case .awaitingResponse:
      // What follows a request for a WebSocket that was refused may be no HTTP at all.
      if wasWebSocket, !input.isEmpty { closesAfterResponse = true }
      if closesAfterResponse { return startFlushing() }
      nextRequest()
    default:
      break
    }
  }

  /// An answer begins before the request is over, and what is left of it is too much to be read for the sake of the connection; or, since
  /// the client was never told to send it, may come or not, and what comes next may be another request.
  func noteEarlyAnswer(_ exchange: Exchange) {
    if state == .readingContent, !willDiscard || exchange.expectation.isOpen { closesAfterResponse = true }
  }

  /// Whether what is left of the request is worth reading for the sake of the connection.
  var willDiscard: Bool {
    if case .length(let rest) = content { return rest <= Self.discardLimit }
    return false
  }

  /// Ready for the next request, which may be in `input` already. Called from within `received` for an answer made on
  /// the spot, and from a backend's event otherwise.
  func nextRequest() {
    if isOutdated || worker.isDraining || (hasInputEnded && input.isEmpty) { return startFlushing() }
    state = .idle
    armIdle()
    if isReadingPaused || !input.isEmpty { readOn() } else { input.giveBack(to: buffers) }
  }

  /// Ends the connection once what is in `output` has been written.
  func startFlushing() {
    state = .flushing
    lingers = !input.isEmpty || content.isUnfinished || endedInError
    arm(context.bodyTimeout)
  }

  func endAfterFlush() {
    guard lingers, !hasInputEnded else { return endGracefully() }
    wire.shutdown()
    _ = CLinux.shutdown(descriptor.raw, Int32(SHUT_WR))
    state = .lingering
    input.removeAll()
    lingering = worker.lingering.mayTake(lingerer) ? .patient : .brief
    if lingering == .patient { worker.lingering.take(1, for: lingerer) }
    lingerEnd = loop.now &+ lingering.time
    armLingering(lingering)
    if isReadingPaused { readOn() }
  }

  /// Whose the connection is while it lingers; a proxy's is nobody's in particular.
  var lingerer: ClientOrigin { trustsPeer ? .unknown : ClientOrigin(address: peer.client) }

  func armLingering(_ lingering: Lingering) {
    arm(until: min(lingerEnd, loop.now &+ lingering.pause))
  }

  /// Takes what still comes off the socket. Behind our close_notify it is nobody's, so that nothing is decrypted either.
  func dropInput() {
    var rest = Self.lingerStep
    while rest > 0 {
      switch Syscall.discard(descriptor.raw, rest) {
      case .done(0), .failed: return close()
      case .wouldBlock: return
      case .done(let count):
        rest -= count
        lingered += count
        armLingering(lingering)
        if lingered > lingering.bytes { return close() }
      }
    }
  }

  /// Says goodbye (close_notify) and closes.
  func endGracefully() {
    guard isOpen else { return }
    if phase == .open { wire.shutdown() }
    close()
  }

  /// Requests under way.
  package var exchanges: [Exchange] { http2?.exchanges ?? exchange.map { [$0] } ?? [] }

  /// Whether a listener that lets clients in by `trust` would let it in as it is.
  func isKept(by trust: ListenerTrust) -> Bool {
    switch state {
    // How it comes in is still to be decided, by rules that are not those of now.
    case .proxyHeader, .handshaking: trust == context.trust
    default:
      trust.keeps(
        ListenerTrust.Connection(madeUnder: context.trust, hasCertificate: wire.peerIdentity != nil, isTLS13: wire.isTLS13))
    }
  }

  /// It would not be let in any more: what is in flight has the time of a drain, and nothing new is served.
  func retire() {
    guard !isOutdated else { return }
    isOutdated = true
    let end = loop.now &+ UInt64(context.drainTime)
    if state != .readingHead { for exchange in exchanges { exchange.withdraw(by: end) } }
    guard isOpen else { return }
    if let http2, state == .http2 { http2.retire() } else { drain() }
  }

  /// What is wrong with the connection's account of itself, if anything is. For tests.
  var fault: String? {
    state == .idle && exchange != nil ? "an idle connection serves a request" : http2?.fault
  }

  /// Ends an idle connection, and makes a busy one end with its answer.
  package func drain() {
    switch state {
    case .idle where !output.isEmpty: startFlushing()
    case .idle: endGracefully()
    case .http2: http2?.drain()
    case .proxyHeader, .handshaking: close()
    default: closesAfterResponse = true
    }
  }
}
