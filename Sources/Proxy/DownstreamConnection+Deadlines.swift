import Bytes
import Limits
import Reactor

/// How long each state may last, and what happens when it has lasted longer.
extension DownstreamConnection {
  func armIdle() {
    exchangeDeadline = 0
    stayWarm()
    arm(min(Self.restAfter, context.idleTimeout))
  }

  /// It is idle, and keeps its buffers until others need the place. Nothing for one that is closing, whose last stream's end comes
  /// here as well.
  func stayWarm() {
    guard warmPlace < 0, let slot else { return }
    let (place, oldest) = worker.warm.enter(slot)
    warmPlace = place
    if let oldest, let connection = loop.channel(oldest) as? DownstreamConnection { connection.giveUpPlace() }
  }

  /// Others have been idle for less long. Whoever is busy comes again when it is idle.
  private func giveUpPlace() {
    warmPlace = -1
    guard !isInsideReceived else { return }
    switch state {
    case .idle where output.isEmpty:
      rest()
      arm(until: waitDeadline &+ UInt64(max(0, context.idleTimeout - Self.restAfter)))
    case .http2:
      http2?.restIfIdle()
    default:
      break
    }
  }

  /// Gives back all that the next request can have anew.
  func rest() {
    isAtRest = true
    releaseQueues()
    wire.releaseBuffers()
    leaveWarm()
  }

  func leaveWarm() {
    guard warmPlace >= 0 else { return }
    worker.warm.leave(warmPlace)
    warmPlace = -1
  }

  /// Sets when the exchange's time is up.
  func armExchange(until time: UInt64) {
    exchangeDeadline = time
    setNearest()
  }

  /// Sets when the present wait is over, in milliseconds from now; 0 for never.
  func arm(_ milliseconds: Int) { arm(until: milliseconds == 0 ? 0 : loop.now &+ UInt64(milliseconds)) }

  /// The same, in ms of the loop's clock.
  func arm(until time: UInt64) {
    waitDeadline = time
    setNearest()
  }

  /// One timer serves for all. What is due already stays due, however often a busy connection comes here.
  private func setNearest() {
    var nearest = exchangeDeadline > 0 && (waitDeadline == 0 || exchangeDeadline < waitDeadline) ? exchangeDeadline : waitDeadline
    if answerDeadline > 0, nearest == 0 || answerDeadline < nearest { nearest = answerDeadline }
    if nearest == 0 { setDeadline(0) } else { setDeadline(at: nearest) }
  }

  // MARK: Answers that are not taken

  /// Bytes of an answer are left over: how the client takes them is looked at from the next look on, if they are not gone by then.
  func watchAnswer() {
    answerDeadline = loop.now &+ AnswerPace.interval(context.content)
    setNearest()
  }

  private func lookAtAnswer() {
    answerDeadline = 0
    let waiting = UInt64(output.count)
    if waiting > 0 || answerPace != nil {
      let taken = bytesTaken
      if answerPace == nil, let exchange {
        answerPace = AnswerPace(exchange.answerRules, taken: taken, waiting: waiting, now: loop.now)
      } else if let verdict = answerPace?.look(taken: taken, waiting: waiting, now: loop.now), verdict != .good {
        let exchange = self.exchange
        self.exchange = nil
        exchange?.clientIsTooSlow()
        return reset()
      }
    }
    if waiting > 0 { watchAnswer() } else { setNearest() }
  }

  /// The nearest of the deadlines has passed.
  func timeIsUp() {
    // What else is due is reached in the next turn.
    if answerDeadline > 0, loop.now >= answerDeadline { return lookAtAnswer() }
    switch state {
    case .http2:
      http2?.deadlineReached()
    case .proxyHeader:
      countRefused(.proxyProtocol)
      close()
    case .handshaking:
      worker.handshakeEnded(.timedOut)
      countRefused(.handshakeTimeout)
      close()
    case .idle:
      if isAtRest || context.idleTimeout <= Self.restAfter { return endGracefully() }
      rest()
      arm(context.idleTimeout - Self.restAfter)
    case .readingHead:
      closesAfterResponse = true
      content = .none
      state = .awaitingResponse
      exchange?.keepHead(input.readable, complete: false)
      input.removeAll()
      exchange?.refuse(.requestTimeout)
      finishTurn()
    case .readingContent, .awaitingResponse:
      deadlineInExchange()
    case .discarding, .flushing, .lingering:
      close()
    }
  }

  func deadlineInExchange() {
    let exchangeIsOver = exchangeDeadline > 0 && loop.now >= exchangeDeadline
    if !exchangeIsOver {
      // Nothing more is waited for but the answer.
      guard state == .readingContent, !content.isTunnel else { return arm(0) }
      // Paused on the backend's behalf, whose own deadline bounds the wait.
      guard !isReadingPaused, exchange?.contentIsLate == true else { return setContentDeadline() }
      closesAfterResponse = true
      exchange?.interrupt(.requestTimeout)
    } else {
      exchange?.timeIsUp()
    }
    finishTurn()
  }
}
