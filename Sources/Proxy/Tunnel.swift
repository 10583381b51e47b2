import Bytes
import HTTP
import Upstream
import WebSocket

/// A WebSocket from its handshake to its end, as the exchange that carries it knows it. Its bytes are the two ends' own affair;
/// frames are followed only where the gateway may want to end it: where a token has let it in, which may expire or be revoked.
struct Tunnel {
  /// `Sec-WebSocket-Key` towards the backend: the client's own, or ours where its protocol has none.
  let key: [UInt8]
  /// Whether frames are followed.
  let isFollowed: Bool
  var toClient = WebSocketFrames()
  var toBackend = WebSocketFrames()
  /// Why the gateway is ending it, once it is: it waits for the end of a frame.
  var ending: GatewayError?

  init(key: UnsafeBufferPointer<UInt8>, isFollowed: Bool) {
    self.key = key.isEmpty ? WebSocketKey.make() : Array(key)
    self.isFollowed = isFollowed
  }
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

  private func refuseAnswer() {
    leaveUpstream()
    responseFailed(UpstreamFailure(.protocol, requestUnsent: false, responseStarted: true))
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
    if tunnel?.isFollowed == true { tunnel?.toBackend.follow(content.span) }
    upstream.content(content, isChunked: false)
  }

  /// From the backend.
  func tunnelResponse(_ content: UnsafeBufferPointer<UInt8>) {
    guard let client, let tunnel else { return }
    var content = content
    if tunnel.isFollowed {
      let count = self.tunnel?.toClient.follow(content.span, untilBoundary: tunnel.ending != nil) ?? 0
      content = UnsafeBufferPointer(rebasing: content[..<count])
    }
    bytesOut &+= UInt64(content.count)
    client.respondContent(content)
    if let ending = tunnel.ending, self.tunnel?.toClient.isAtBoundary == true { sendClose(ending) }
  }

  // MARK: Ends

  /// Ends the WebSocket for the gateway's own reason: with a Close frame behind the frame that is passing, if one is.
  func closeTunnel(_ error: GatewayError) {
    guard let tunnel else { return }
    self.tunnel?.ending = error
    if tunnel.toClient.isAtBoundary { return sendClose(error) }
    // A frame that does not end cuts the connection.
    responseDeadline = worker.loop.now &+ Self.closingGrace
    armClient()
  }

  private func sendClose(_ error: GatewayError) {
    guard let client, let tunnel else { return }
    self.error = error
    if !tunnel.toClient.hasClosed {
      WebSocketClose.frame(WebSocketClose.policyViolation, error.code).withUnsafeBufferPointer { client.respondContent($0) }
    }
    if let upstream, tunnel.toBackend.isAtBoundary, !tunnel.toBackend.hasClosed {
      WebSocketClose.maskedFrame(WebSocketClose.policyViolation, error.code).withUnsafeBufferPointer {
        upstream.content($0, isChunked: false)
      }
      upstream.flush()
    }
    leaveUpstream()
    perform(state.responseEnded())
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
