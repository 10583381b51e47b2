import HTTP
import Limits
import Reactor
import Tokens
import Upstream

/// How long a request may take, by whose word, and what happens then.
extension Exchange {
  /// The route's time runs from the request's end to the response's. Without one, the backend's own time-outs bound all but
  /// the wait for a connection, which is given as long as connecting and answering may take.
  func startTimer() {
    guard responseTime > 0 else { return }
    responseDeadline = loop.now &+ UInt64(responseTime)
    armClient()
  }

  /// It is decided where the request goes.
  func noteTimes(_ route: Route, _ backend: Backend) {
    routeHasTimeout = route.timeout > 0
    responseTime = routeHasTimeout ? route.timeout : backend.connectTimeout + backend.responseTimeout + 1_000
  }

  /// A response that has begun takes as long as its backend keeps it going, unless the route says otherwise.
  func responseHasBegun() {
    guard responseTime > 0, !routeHasTimeout || state.isTunnel else { return }
    responseDeadline = 0
    armClient()
  }

  /// Asks the client's side for `timeIsUp` at the nearest of the deadlines.
  func armClient() {
    var nearest = responseDeadline
    if callDeadline > 0, nearest == 0 || callDeadline < nearest { nearest = callDeadline }
    if expiry > 0, nearest == 0 || expiry < nearest { nearest = expiry }
    let continuation = expectation.deadline
    if continuation > 0, nearest == 0 || continuation < nearest { nearest = continuation }
    client?.armExchange(until: nearest)
  }

  /// The time given to `armExchange` has come.
  func timeIsUp() {
    if expectation.isDue(now: loop.now) {
      // What else is due is so as well when the timer is set anew.
      tellToContinue()
      return armClient()
    }
    if awaitedKeys != nil {
      worker.keyWaiting.forget(self)
      return keysSettled()
    }
    if let logout, logout.number > 0 {
      worker.logouts.forget(logout.number)
      return logoutSettled(isKept: false)
    }
    if let (remote, digest) = awaitedAnswer {
      worker.introspectionWaiting.forget(self)
      awaitedAnswer = (remote, digest)
      return answerArrived()
    }
    if let ending = tunnel?.ending { return interrupt(ending) }
    if tunnel?.awaitsClose == true { return closeIsOverdue() }
    guard expiry == 0 || loop.now < expiry else { return expire() }
    interrupt(.upstreamTimeout)
  }

  /// The loop's time at which `token` is no longer good, its provider's leeway included.
  func watchExpiry(of token: VerifiedToken) {
    // Not from `startedReal`: what was decided about anew began long ago.
    let now = Int64(loop.realNanoseconds(at: loop.nowNanoseconds))
    let seconds = token.validUntil.subtractingReportingOverflow(now / 1_000_000_000).partialValue
    // Not in a hundred years: never.
    guard seconds < 3_200_000_000 else { return }
    let nanoseconds = max(0, token.validUntil &* 1_000_000_000 &- now)
    expiry = loop.now &+ UInt64(nanoseconds / 1_000_000) &+ 1
  }

  /// What the access token, or the listener, had let in ends with it.
  private func expire() {
    expiry = 0
    if state.isOpenTunnel { return closeTunnel(expiryReason) }
    // That the connection is outdated invites the client to ask again: not where the backend has begun, and nothing was answered.
    let isUnderWay = state.upstream == .sending && state.response == .none
    interrupt(expiryReason == .connectionOutdated && isUnderWay ? .upstreamTimeout : expiryReason)
  }

  /// What let the client's connection in is withdrawn. A WebSocket is a connection of its own and ends; anything else may come to its
  /// end by `time`.
  func withdraw(by time: UInt64) {
    if state.isOpenTunnel { return closeTunnel(.connectionOutdated) }
    guard expiry == 0 || time < expiry else { return }
    expiry = max(1, time)
    expiryReason = .connectionOutdated
    armClient()
  }

  /// The access token was denied while what it let in goes on.
  func revoke() {
    if state.isOpenTunnel { return closeTunnel(.tokenRevoked) }
    interrupt(.tokenRevoked)
  }

  /// The time of a drain is over.
  func cutOff() {
    if state.isOpenTunnel { closeTunnel(.draining) }
    // A frame that is passing has no more time to come to its end.
    interrupt(tunnel?.ending ?? .draining)
  }

  // MARK: Content

  /// The route's word on how fast content has to come, and the request's nature.
  func setPace(_ route: Route, _ snapshot: WorkerSnapshot) {
    contentPace = TransferPace(rules(contentPace.rules, route, snapshot))
  }

  /// How fast the client has to take what waits for it.
  var answerRules: TransferPace.Rules {
    let rules = client?.connection.context.content ?? .none
    guard let route, let snapshot, backend >= 0 else { return rules }
    return self.rules(rules, route, snapshot)
  }

  private func rules(_ listener: TransferPace.Rules, _ route: Route, _ snapshot: WorkerSnapshot) -> TransferPace.Rules {
    var rules = listener
    if streamsBothWays(snapshot) {
      // Either end speaks when it has something to say.
      rules.rate = 0
      rules.total = 0
    } else {
      rules.rate = route.bodyRate ?? rules.rate
      rules.total = route.bodyTotal ?? rules.total
    }
    return rules
  }

  /// The client has not taken its answer, and is told nothing more.
  func clientIsTooSlow() {
    error = error ?? .clientTooSlow
    clientGone()
  }

  /// A WebSocket, or a gRPC call towards a backend that may take one: whoever only says so of his content is treated as others are.
  func streamsBothWays(_ snapshot: WorkerSnapshot) -> Bool { state.isTunnel || isGRPC && snapshot.pools[backend].mayShare }

  /// Content came, or may come again.
  ///
  /// - Returns: when the client's time is up if it sends nothing more, in ms of the loop's clock.
  func awaitContent(after count: Int = 0) -> UInt64 {
    let now = loop.now
    contentPace.moved(UInt64(count), now: now)
    // What has nowhere to go is nobody's delay: the backend's own deadlines bound that.
    if awaitsContent { contentPace.wait(now: now) } else { contentPace.pause(now: now) }
    return contentPace.deadline ?? now &+ UInt64(client?.connection.context.bodyTimeout ?? 0)
  }

  /// Content is what is missing, not a place to put it, and it has been for too long.
  var contentIsLate: Bool { awaitsContent && contentPace.verdict(now: loop.now) != .good }

  private var awaitsContent: Bool { takesContent && !expectation.isOpen }

  /// There is no place for more content now.
  func holdContent() { contentPace.pause(now: loop.now) }

  // MARK: gRPC

  /// Whether a POST is a gRPC call, which there is on HTTP/2 only, or a gRPC-Web call; and how long a gRPC client waits. Nil lets it in.
  func readCall() -> GatewayError? {
    guard let index = head.fields.first(.contentType) else { return nil }
    let type = slice(head.fields[index].value)
    guard case .http2? = client, GRPC.isCall(contentType: type) else {
      webType = GRPC.webType(type.span)
      return nil
    }
    isGRPC = true
    guard let index = head.fields.first(.grpcTimeout) else { return nil }
    guard head.fields.first(.grpcTimeout, from: index + 1) == nil,
      let milliseconds = GRPC.timeout(slice(head.fields[index].value))
    else { return .badRequest }
    callDeadline = loop.now &+ UInt64(milliseconds)
    return nil
  }
}
