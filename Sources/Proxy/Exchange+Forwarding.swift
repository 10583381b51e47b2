import Bytes
import HTTP
import HTTP1
import Reactor
import Upstream

/// The request on its way to a backend.
extension Exchange {
  /// Asks the backend's pool for a connection: the first time, or again after a stale one.
  func askForConnection() {
    guard let snapshot else { return }
    if upstreamAskedAt == 0 { upstreamAskedAt = Clock.monotonicNanoseconds() }
    state.upstreamAsked()
    snapshot.pools[backend].acquire(for: self)
  }

  /// A connection is there: the head goes out, then whatever content has come.
  func forward(over connection: UpstreamConnection) {
    upstream = connection
    state.upstreamReady()
    writeHead(connection)
    connection.begin(method: head.method)
    if state.request == .complete {
      connection.requestEnded()
      connection.flush()
    } else {
      client?.armExchange(0)
      client?.resumeContent()
      // Content that is there already goes with the head, in one piece; a head alone goes now.
      if connection === upstream, client?.isInsideReceived == false { connection.flush() }
    }
  }

  private func writeHead(_ upstream: UpstreamConnection) {
    guard let route, let snapshot, let connection = client?.connection else { return }
    upstream.output.borrow(from: worker.buffers)
    let token = minted?.bytes ?? []
    snapshot.proxy.tokenFieldPrefix.withUnsafeBufferPointer { prefix in
      token.withUnsafeBufferPointer { token in
        connection.peerText.withUnsafeBufferPointer { peer in
          let own = RequestFields.Own(
            path: forwardedPath(route), query: slice(head.query), hasQuery: head.hasQuery, methodName: slice(head.methodRange),
            authority: slice(head.authority), tokenPrefix: prefix, token: token, requestID: requestID, traceparent: traceparent,
            forwardsTracestate: continuesTrace, peer: peer, peerIsIPv6: connection.peerIsIPv6, trustsPeer: connection.trustsPeer,
            forwardsAccessToken: route.forwardsAccessToken, route: route, receivedProtocol: receivedProtocol,
            tokenFieldName: snapshot.proxy.tokenFieldName)
          RequestFields.write(head, bytes, own, to: &upstream.output)
        }
      }
    }
  }

  private var receivedProtocol: StaticString {
    if case .http2? = client { return "2.0" }
    return head.minorVersion == 1 ? "1.1" : "1.0"
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
    guard let route, let upstream else { return }
    if bytesIn > route.bodyMaximum { return interrupt(.bodyTooLarge) }
    state.contentForwarded()
    if case .length = head.framing {
      upstream.send(content)
    } else {
      ChunkedEncoder.beginChunk(content.count, into: &upstream.output)
      upstream.send(content)
      // Sending may have failed, and with it this exchange ended.
      guard let upstream = self.upstream else { return }
      upstream.output.borrow(from: worker.buffers)
      ChunkedEncoder.endChunk(into: &upstream.output)
    }
    guard let upstream = self.upstream else { return }
    if upstream.isCongested { upstream.oweDrained() }
    upstream.requestProgressed()
  }

  func requestTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    guard let upstream, let snapshot else { return }
    if isReserved(name, snapshot) { return }
    upstream.output.borrow(from: worker.buffers)
    if !requestHasTrailers { ChunkedEncoder.beginTrailers(into: &upstream.output) }
    requestHasTrailers = true
    HeadWriter.field(name, value, into: &upstream.output)
  }

  /// A trailer may no more look like the gateway's word than a header field may.
  private func isReserved(_ name: UnsafeBufferPointer<UInt8>, _ snapshot: WorkerSnapshot) -> Bool {
    TokenSource.sameName(ByteRange(offset: 0, count: name.count), snapshot.proxy.tokenFieldName, name)
  }

  /// The request's last byte was read.
  func requestEnded() {
    state.requestEnded()
    guard let upstream else { return }
    if case .length = head.framing {
    } else {
      upstream.output.borrow(from: worker.buffers)
      if !requestHasTrailers { ChunkedEncoder.beginTrailers(into: &upstream.output) }
      ChunkedEncoder.endTrailers(into: &upstream.output)
    }
    upstream.requestEnded()
    startTimer()
    upstream.flush()
  }

  /// What the client sent in this event has been taken: it goes out in one piece.
  func contentPaused() { upstream?.flush() }

  /// The route's time runs from the request's end to the response's. Without one, the backend's own time-outs bound all but
  /// the wait for a connection, which is given as long as connecting and answering may take.
  func startTimer() {
    guard let route, let client, let snapshot else { return }
    let backend = snapshot.proxy.backends[backend]
    client.armExchange(route.timeout > 0 ? route.timeout : backend.connectTimeout + backend.responseTimeout + 1_000)
  }
}
