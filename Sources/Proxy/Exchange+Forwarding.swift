import Bytes
import HTTP
import HTTP1
import Reactor
import Upstream

/// The request on its way to a backend.
extension Exchange {
  /// Asks the backend's pool for a connection.
  func askForConnection() {
    guard let snapshot else { return }
    if !hasAsked {
      hasAsked = true
      if worker.writesAccessLog { upstreamAskedAt = loop.monotonicNanoseconds }
      origin = clientOrigin
    }
    state.upstreamAsked()
    snapshot.pools[backend].acquire(for: self)
    // Not served at once, nor refused.
    if state.upstream == .waiting, waitingSince == 0 { waitingSince = loop.monotonicNanoseconds }
  }

  /// The connection was stale: the request is sent once more.
  func askAgain() {
    if snapshot === worker.snapshot { askForConnection() } else { decideAnew() }
  }

  /// There is no connection yet, and a reload has withdrawn what it was to be made by.
  func connectionWithdrawn() {
    // Over since it asked.
    guard state.upstream == .waiting else { return }
    upstream = nil
    state.upstreamWithdrawn()
    // Nothing else is in force.
    if snapshot === worker.snapshot { return responseFailed(UpstreamFailure(.connect, requestUnsent: true)) }
    decideAnew()
  }

  /// A connection that is made after a reload is made by the trust in force, for a request that would be let in and sent there now.
  private func decideAnew() {
    let deadline = responseDeadline
    reenter(mayWait: true)
    // Its time goes on.
    guard deadline > 0, !isRecorded, responseDeadline > deadline else { return }
    responseDeadline = deadline
    armClient()
  }

  /// A connection is there: the head goes out, then whatever content has come.
  func forward(over leg: UpstreamLeg) {
    upstream = leg
    triedEndpoint = leg.endpointIndex
    state.upstreamReady()
    // A WebSocket's handshake is complete, and its stream stays open.
    let isComplete = state.request == .complete
    writeHead(leg, isComplete: isComplete && gathered.isEmpty && gatheredTrailers.isEmpty && !state.isTunnel)
    // Writing may have failed, and with it this exchange moved on.
    guard leg.isSame(as: upstream) else { return }
    if gathering.holdsContent {
      passOn(to: leg)
      guard leg.isSame(as: upstream) else { return }
    }
    if isComplete {
      if !state.isTunnel {
        leg.requestEnded(isChunked: isChunked, hadTrailers: requestHasTrailers)
      } else if case .http1(let connection) = leg {
        connection.requestEnded()
      }
      leg.flush()
    } else {
      responseDeadline = 0
      expectation.asked(now: loop.now)
      armClient()
      client?.resumeContent()
      // Content that is there already goes with the head, in one piece; a head alone goes now.
      if leg.isSame(as: upstream), client?.isInsideReceived == false { leg.flush() }
    }
  }

  private func writeHead(_ leg: UpstreamLeg, isComplete: Bool) {
    guard let route, let snapshot, let connection = client?.connection else { return }
    let token = minted?.bytes ?? []
    let field = snapshot.proxy.tokenFields[backend]
    var query = ByteQueue()
    let removesQuery = head.hasQuery && !route.access.queryParameters.isEmpty && !forwardsAccessToken
    if removesQuery { QueryParameters.copy(head.query, bytes, without: route.access.queryParameters, to: &query) }
    field.withUnsafeBufferPointer { tokenName in
      token.withUnsafeBufferPointer { token in
        connection.forwardedPeer.withUnsafeBufferPointer { peer in
          let own = RequestFields.Own(
            path: forwardedPath(route), query: removesQuery ? query.readable : slice(head.query),
            hasQuery: head.hasQuery && !(removesQuery && query.isEmpty), methodName: slice(head.methodRange),
            authority: slice(head.authority), tokenName: tokenName, token: token, tokenIsUnique: minted?.isUnique ?? false,
            requestID: requestID, traceparent: traceparent, forwardsTracestate: continuesTrace,
            scheme: connection.wire.isEncrypted ? "https" : "http", peer: peer,
            peerIsIPv6: connection.peerIsIPv6, trustsPeer: connection.trustsPeer, forwardsAccessToken: forwardsAccessToken,
            route: route, via: via, reserved: snapshot.proxy.reservedNames,
            webSocketKey: tunnel?.key ?? [])
          switch leg {
          case .http1(let upstream):
            upstream.output.borrow(from: worker.buffers)
            RequestFields.write(head, bytes, own, to: &upstream.output)
            upstream.output.append("\r\n")
            upstream.begin(method: head.method, expectsContinue: head.expectsContinue)
          case .http2(let stream):
            let bytes = self.bytes
            stream.begin(
              method: head.method, endStream: isComplete, isTunnel: state.isTunnel, expectsContinue: head.expectsContinue
            ) {
              RequestFields.write(head, bytes, own, to: &$0)
            }
          }
        }
      }
    }
  }

  /// Whether what vouched for the request goes to the backend as well. A key never does, wherever else it stood.
  var forwardsAccessToken: Bool { route?.forwardsAccessToken == true && token?.isAPIKey != true }

  private var via: StaticString {
    if case .http2? = client { return "2.0 gatehouse" }
    return head.minorVersion == 1 ? "1.1 gatehouse" : "1.0 gatehouse"
  }

  /// The canonical path without the route's `strip_prefix`, which ends where a segment does.
  private func forwardedPath(_ route: Route) -> UnsafeBufferPointer<UInt8> {
    let path = self.path
    let prefix = route.stripPrefix
    guard !prefix.isEmpty, path.count >= prefix.count else { return path }
    var index = 0
    while index < prefix.count {
      if path[index] != prefix[index] { return path }
      index &+= 1
    }
    let rest = UnsafeBufferPointer(rebasing: path[prefix.count...])
    if rest.isEmpty {
      let root: StaticString = "/"
      return UnsafeBufferPointer(start: root.utf8Start, count: 1)
    }
    return rest[0] == 0x2f ? rest : path
  }

  // MARK: Content, from the client

  /// A run of the request's content.
  func requestContent(_ content: UnsafeBufferPointer<UInt8>) {
    bytesIn &+= UInt64(content.count)
    if expectation.contentCame() { armClient() }
    if logout != nil { return logoutContent(content) }
    guard let route else { return }
    if gathering.takesContent { return gather(content, route) }
    guard let upstream else { return }
    if state.isTunnel { return tunnelContent(content, upstream) }
    if bytesIn > route.bodyMaximum { return interrupt(.bodyTooLarge) }
    state.contentForwarded()
    upstream.content(content, isChunked: isChunked)
    if upstream.isCongested { holdContent() }
  }

  /// The gateway itself wants the content, or speaks for a backend that has said nothing: 100 to a client that waits for it.
  func tellToContinue() {
    guard expectation.granted() else { return }
    client?.respondContinue()
    client?.resumeContent()
  }

  /// Whether there is content without a promised length: HTTP/1.1 needs chunks for it, of which the last is empty.
  var isChunked: Bool {
    switch head.framing {
    case .chunked, .stream: true
    case .none, .length, .untilClose: false
    }
  }

  func requestTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    guard let snapshot, !snapshot.proxy.reservedNames.refuseTrailer(name.span) else { return }
    if gathering.holdsContent { return gatherTrailer(name, value) }
    guard let upstream else { return }
    state.contentForwarded()
    upstream.trailer(name, value, isChunked: isChunked, isFirst: !requestHasTrailers)
    requestHasTrailers = true
  }

  /// The request's last byte was read.
  func requestEnded() {
    // A client that ends its side before it was answered has not understood what it asked for.
    if state.isTunnel, !state.isOpenTunnel { return interrupt(.badRequest) }
    state.requestEnded()
    if expectation.contentCame() { armClient() }
    if logout != nil { return decideLogout(mayWait: true) }
    if gathering.ended() == .ask { return gatheredEnough() }
    guard let upstream else { return }
    if state.isTunnel { return clientEndedTunnel() }
    upstream.requestEnded(isChunked: isChunked, hadTrailers: requestHasTrailers)
    startTimer()
    upstream.flush()
  }

  /// What the client sent in this event has been taken: it goes out in one piece.
  func contentPaused() { upstream?.flush() }
}
