import Bytes
import HTTP
import Reactor
import Upstream

/// The response on its way to the client.
extension Exchange {
  func responseHead(_ upstream: UpstreamLeg, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>) {
    if state.isTunnel, !head.isInterim { return tunnelAnswered(upstream, head, bytes) }
    // Nobody asked for another protocol: `Upgrade` was not forwarded.
    if head.status == 101 { return refuseAnswer() }
    answerArrived(upstream, head, bytes)
  }

  /// A head that goes to the client as it is.
  func answerArrived(_ upstream: UpstreamLeg, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>) {
    guard let client else { return }
    // One 100 for each client that waits for it, whoever says it first.
    if head.status == 100, !expectation.granted() { return }
    if !head.isInterim {
      expectation.answered()
      state.responseBegan()
      status = Int(head.status)
      noteAnswer(from: upstream)
      responseHasBegun()
    }
    client.respond(head, bytes, to: self)
    guard head.isInterim else { return }
    if head.status == 100 {
      armClient()
      client.resumeContent()
    }
    holdBackIfCongested()
  }

  /// Pauses the backend while its client has not taken what is there; `clientDrained` lets it go on.
  private func holdBackIfCongested() {
    // Writing may have failed, and with it this exchange ended.
    guard let client, client.isCongested else { return }
    client.oweDrained()
    upstream?.holdBack()
    if state.response == .none, !routeHasTimeout {
      responseDeadline = 0
      armClient()
    }
  }

  /// Keeps what is counted of a final response, and what the log says of it.
  func noteAnswer(from upstream: UpstreamLeg) {
    answeringEndpoint = upstream.endpointIndex
    guard worker.writesAccessLog else { return }
    upstreamAnsweredAt = loop.monotonicNanoseconds
    upstreamIdentityName = upstream.connection?.wire.peerIdentity?.name ?? []
  }

  func responseContent(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let client else { return }
    if state.isTunnel {
      tunnelResponse(bytes)
    } else {
      bytesOut &+= UInt64(bytes.count)
      client.respondContent(bytes)
    }
    holdBackIfCongested()
  }

  func responseTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    client?.respondTrailer(name, value, isFirst: !hasTrailers)
    hasTrailers = true
  }

  func responseEnded() {
    upstream = nil
    perform(state.responseEnded())
  }

  func responseFailed(_ failure: UpstreamFailure) {
    // A backend may go as it likes once it has said Close: nothing was cut off.
    if state.isOpenTunnel, tunnel?.backendHasClosed == true { return responseEnded() }
    isBrokenOff = state.response == .started
    let endpoint = upstream?.endpointIndex ?? failure.endpoint
    if endpoint >= 0 { triedEndpoint = endpoint }
    worker.upstreamFailed(failure, snapshot, backend, endpoint: endpoint, brokeOff: isBrokenOff)
    upstream = nil
    let action = state.upstreamFailed(failure)
    if action == .abort { error = GatewayError(failure.kind) }
    perform(action)
  }

  /// The client has taken what was waiting: the backend may go on.
  func clientDrained() {
    // The time that stood still while interim heads were held back.
    if responseDeadline == 0, state.response == .none, state.request == .complete, upstream != nil { startTimer() }
    upstream?.goOn()
  }

  func completeResponse() {
    guard let client else { return finish() }
    client.respondEnd(hadTrailers: hasTrailers)
    complete(client)
  }
}
