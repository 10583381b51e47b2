import Bytes
import HTTP
import Upstream
import WebSocket

/// A WebSocket from its handshake to its end, as the exchange that carries it knows it. Its bytes are the two ends' own affair; frames are
/// followed for their ends, since the gateway may want to end it, and for Close.
struct Tunnel {
  /// `Sec-WebSocket-Key` towards the backend: the client's own, or ours where its protocol has none.
  let key: [UInt8]
  var toClient = WebSocketFrames()
  var toBackend = WebSocketFrames()
  /// Why the gateway is ending it, once it is: it waits for the end of a frame.
  var ending: GatewayError?
  /// The client has said Close and ended its side: the backend, which has yet to say it, is not told of the end before.
  var awaitsClose = false

  init(key: UnsafeBufferPointer<UInt8>) {
    self.key = key.isEmpty ? WebSocketKey.make() : Array(key)
  }

  /// The backend's Close frame has gone to the client, whole: nothing may follow it.
  var backendHasClosed: Bool { toClient.hasClosed && toClient.isAtBoundary }
}

extension Exchange {
  /// Milliseconds that a frame has to come to its end when the gateway wants to end a WebSocket behind it.
  private static let closingGrace: UInt64 = 5_000

  /// The final response to a request for a WebSocket.
  func tunnelAnswered(_ leg: UpstreamLeg, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>) {
    guard let client, let tunnel else { return }
    switch leg {
    case .http1 where head.status == 101:
      guard head.isWebSocket, isAccepted(tunnel, head, bytes) else { return refuseAnswer() }
    case .http2 where head.status < 300: break
    default:
      // To a client's extended CONNECT a 2xx would be a tunnel that nobody holds the other end of.
      if head.status == 101 { return refuseAnswer() }
      if case .http2 = client, head.status < 300 { return refuseAnswer() }
      state.tunnelRefused()
      self.tunnel = nil
      return answerArrived(leg, head, bytes)
    }
    state.tunnelOpened()
    noteAnswer(from: leg)
    status = client.respondTunnel(head, bytes, to: self)
    leg.tunnelOpened()
    responseHasBegun()
    self.client?.resumeContent()
  }

  /// It is none to what was asked.
  func refuseAnswer() {
    var failure = UpstreamFailure(.protocol, requestUnsent: false, responseStarted: true)
    failure.endpoint = upstream?.endpointIndex ?? -1
    leaveUpstream()
    responseFailed(failure)
  }

  /// Whether the backend has understood which handshake it is answering (RFC 6455 section 4.1).
  private func isAccepted(_ tunnel: Tunnel, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let index = head.fields.first(.secWebSocketAccept), head.fields.first(.secWebSocketAccept, from: index + 1) == nil else {
      return false
    }
    let expected = WebSocketKey.accept(tunnel.key.span)
    return bytes[head.fields[index].value.bounds].elementsEqual(expected)
  }

  // MARK: Bytes

  /// From the client.
  func tunnelContent(_ content: UnsafeBufferPointer<UInt8>, _ upstream: UpstreamLeg) {
    guard tunnel?.ending == nil else { return }
    tunnel?.toBackend.follow(content.span)
    upstream.content(content, isChunked: false)
  }

  /// From the backend.
  func tunnelResponse(_ content: UnsafeBufferPointer<UInt8>) {
    guard let client, let tunnel else { return }
    let count = self.tunnel?.toClient.follow(content.span, untilBoundary: tunnel.ending != nil) ?? 0
    let content = UnsafeBufferPointer(rebasing: content[..<count])
    bytesOut &+= UInt64(content.count)
    client.respondContent(content)
    if let ending = tunnel.ending {
      if self.tunnel?.toClient.isAtBoundary == true { sendClose(ending) }
    } else if tunnel.awaitsClose, self.tunnel?.backendHasClosed == true {
      endTunnel()
    }
  }

  // MARK: Ends

  /// The client has ended its side. Browsers do so with their Close frame (RFC 6455 section 7.1.1): a backend that met the end before it
  /// has answered it would have no way to.
  func clientEndedTunnel() {
    guard let tunnel, let upstream, tunnel.ending == nil else { return }
    guard tunnel.toBackend.hasClosed else { return upstream.tunnelEnded() }
    upstream.flush()
    guard self.upstream != nil else { return }
    if tunnel.backendHasClosed { return endTunnel() }
    self.tunnel?.awaitsClose = true
    responseDeadline = worker.loop.now &+ Self.closingGrace
    armClient()
  }

  /// The backend has had its time to say Close: it hears of the end as it is.
  func closeIsOverdue() {
    tunnel?.awaitsClose = false
    responseDeadline = 0
    armClient()
    upstream?.tunnelEnded()
  }

  /// Both sides have said Close.
  private func endTunnel() {
    leaveUpstream()
    perform(state.responseEnded())
  }

  /// Ends the WebSocket for the gateway's own reason: with a Close frame behind the frame that is passing, if one is.
  func closeTunnel(_ error: GatewayError) {
    // Whoever has its time already gets no more of it: what ends it may be said again and again.
    guard let tunnel, tunnel.ending == nil else { return }
    self.tunnel?.ending = error
    if tunnel.toClient.isAtBoundary { return sendClose(error) }
    // A frame that does not end cuts the connection.
    responseDeadline = worker.loop.now &+ Self.closingGrace
    armClient()
  }

  private func sendClose(_ error: GatewayError) {
    guard let client, let tunnel else { return }
    self.error = error
    let code = error == .draining ? WebSocketClose.goingAway : WebSocketClose.policyViolation
    if !tunnel.toClient.hasClosed {
      WebSocketClose.frame(code, error.code).withUnsafeBufferPointer { client.respondContent($0) }
    }
    if let upstream, tunnel.toBackend.isAtBoundary, !tunnel.toBackend.hasClosed {
      WebSocketClose.maskedFrame(code, error.code).withUnsafeBufferPointer {
        upstream.content($0, isChunked: false)
      }
      upstream.flush()
    }
    endTunnel()
  }
}

extension Exchange {
  /// What stood before the token among the subprotocols that the client offered; empty when the token stood elsewhere.
  var tokenProtocolMarker: [UInt8] {
    guard let route, !forwardsAccessToken, !route.access.subprotocolMarkers.isEmpty else { return [] }
    var list = Subprotocols(head.fields)
    while let element = list.next(head.fields, bytes) {
      if let marker = route.access.subprotocolMarkers.first(where: { Subprotocols.isMarker(element, $0, bytes) }) { return marker }
    }
    return []
  }
}
