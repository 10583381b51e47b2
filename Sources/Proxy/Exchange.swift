import Bytes
import HTTP
import HTTP1
import HTTP2
import Limits
import Reactor
import Routing
import Telemetry
import Tokens
import Upstream

/// One request's life, whatever carried it: from its head to the last byte of its answer.
///
/// The phases, in order, and where to read them:
///
/// 1. `begin`: which route (`Exchange+Admission`). The path is made canonical once; what is matched is what is authorised is
///    what is forwarded.
/// 2. Who is it: the access token, verified or found in the cache.
/// 3. May they: the route's rule, once per token and route.
/// 4. How much: content within the route's bound.
/// 5. As whom: the internal token for this principal and backend, minted or reused.
/// 6. When: content that comes slowly is gathered before a connection is taken for it (`Exchange+Gathering`).
/// 7. To whom: a pooled connection, its peer's identity checked (`Exchange+Forwarding`).
/// 8. The request's content one way, the response the other, each no faster than its reader takes it.
/// 9. One log line, the counters (`Exchange+Record`).
///
/// Until phase 7 nothing has left the gateway, and any phase can end in an answer of its own. Objects are pooled: one
/// serves request after request, and a warm request allocates nothing.
package final class Exchange: UpstreamClient {
  /// Keeps this for its next request, until `close`.
  package let worker: WorkerContext
  /// The worker's own, which are asked for several times a request.
  let loop: EventLoop
  let metrics: WorkerMetrics
  /// The client's side; nil once it is gone or the exchange is over.
  package internal(set) var client: ClientStream?
  /// The backend's side, while there is one, opening or open.
  var upstream: UpstreamLeg?
  /// What the request is served by, whatever is reloaded meanwhile, unless it needs another connection afterwards.
  var snapshot: WorkerSnapshot?
  var state = ExchangeState()

  package var head: RequestHead
  /// The head's bytes, which `head` has ranges of: kept until the end, for a retry and for the log.
  var headBytes = ByteQueue()
  /// The canonical path, when it is not the one sent.
  var rewrittenPath = ByteQueue()
  var pathIsRewritten = false

  var route: Route?
  /// The route's in the metrics.
  var metricRoute = MetricNames.none
  var backend = -1
  var token: VerifiedToken?
  var tokenWasCached = false
  var minted: MintedToken?
  var error: GatewayError?
  var status = 0
  var hasTrailers = false
  var requestHasTrailers = false
  var isRecorded = false
  /// A gRPC call: what the gateway has to say, it says as a gRPC status.
  var isGRPC = false
  /// A gRPC-Web call's content type.
  var webType: StaticString?
  /// The content type of a refusal that is said as a gRPC status; nil for a problem document.
  var statusType: StaticString? { isGRPC ? GRPC.contentType : webType }
  /// The key set that the request waits for, while it does.
  var awaitedKeys: RemoteKeys?
  /// On a listener that takes logouts.
  var logout: Logout?
  /// What the request waits to be told about its token, while it does.
  var awaitedAnswer: (remote: RemoteIntrospection, digest: [UInt8])?
  /// The WebSocket that this request opens or has become, if it does.
  var tunnel: Tunnel?

  /// Content that waits for a connection to be taken for it, and whose memory that is.
  var gathering = ContentGathering()
  var gathered = ByteQueue()
  var gatheredTrailers: [(name: [UInt8], value: [UInt8])] = []
  /// Bytes of memory that were counted for it.
  var gatheredMemory = 0
  /// Whether the client waits to be told that its content is wanted.
  var expectation = ContentExpectation()
  /// Whether the client sends its content fast enough.
  var contentPace = TransferPace(.none)
  /// The request's DPoP proof was good, and is not again.
  var proofIsSpent = false

  // When time is up, in ms of the loop's clock; 0 for never.
  /// For the response, by the route or the client's own word.
  var responseDeadline: UInt64 = 0
  /// Milliseconds that it may take, once it is decided where the request goes, and whether the route says so.
  var responseTime = 0
  var routeHasTimeout = false
  /// What `grpc-timeout` asks for, from the head on.
  var callDeadline: UInt64 = 0
  /// The access token's, for a route that ends what it has let in.
  var expiry: UInt64 = 0
  /// What is said of a request that has outlived that.
  var expiryReason = GatewayError.tokenExpired

  // Measured from the head's last byte; bytes are of content.
  var startedAt: UInt64 = 0
  var startedReal: UInt64 = 0
  /// The rest is for the log alone, and stays 0 or empty where there is none.
  var upstreamAskedAt: UInt64 = 0
  var upstreamAnsweredAt: UInt64 = 0
  var bytesIn: UInt64 = 0
  var bytesOut: UInt64 = 0
  var answeringEndpoint = -1
  /// The backend has broken its answer off.
  var isBrokenOff = false
  /// The endpoint that was tried last.
  var triedEndpoint = -1
  /// A backend's pool was asked for a connection.
  var hasAsked = false
  var upstreamIdentityName: [UInt8] = []
  /// While it waits for a connection, in line or for one that is being made: since when. And how long it has waited.
  var waitingSince: UInt64 = 0
  var waitedFor: UInt64 = 0
  /// While it stands in a backend's line: since when, and the backend's number in the metrics.
  var queuedSince: UInt64 = 0
  var queuedBackend = MetricNames.none

  /// UUIDv7 text, 36 bytes, then `traceparent`, 55 bytes.
  let identifiers: UnsafeMutablePointer<UInt8>
  var continuesTrace = false

  /// Most fields any listener lets a head have; `ListenerContext.headerCount` is the bound that counts.
  package static let fieldCapacity = 256

  init(worker: WorkerContext) {
    self.worker = worker
    loop = worker.loop
    metrics = worker.metrics
    head = RequestHead(fieldCapacity: Self.fieldCapacity)
    identifiers = .allocate(capacity: 36 + 55)
    super.init()
  }

  deinit { identifiers.deallocate() }

  /// Readies a pooled object for the next request of `client`.
  func open(_ client: ClientStream) {
    self.client = client
    head.reset()
  }

  /// Lets go of everything but memory worth keeping.
  func reset() {
    client = nil
    upstream = nil
    snapshot = nil
    route = nil
    metricRoute = MetricNames.none
    backend = -1
    token = nil
    tokenWasCached = false
    minted = nil
    error = nil
    status = 0
    hasTrailers = false
    requestHasTrailers = false
    isRecorded = false
    isGRPC = false
    webType = nil
    tunnel = nil
    logout = nil
    gathering = ContentGathering()
    expectation = ContentExpectation()
    origin = .unknown
    proofIsSpent = false
    responseDeadline = 0
    responseTime = 0
    routeHasTimeout = false
    callDeadline = 0
    expiry = 0
    expiryReason = .tokenExpired
    pathIsRewritten = false
    hasAsked = false
    upstreamAskedAt = 0
    upstreamAnsweredAt = 0
    bytesIn = 0
    bytesOut = 0
    answeringEndpoint = -1
    isBrokenOff = false
    triedEndpoint = -1
    if !upstreamIdentityName.isEmpty { upstreamIdentityName = [] }
    waitingSince = 0
    waitedFor = 0
    continuesTrace = false
    state = ExchangeState()
    headBytes.removeAll()
    headBytes.giveBack(to: worker.buffers)
    rewrittenPath.release()
  }

  /// Keeps the head's bytes: they leave the connection's buffer now, and `head`'s ranges stay true.
  func keepHead(_ bytes: UnsafeBufferPointer<UInt8>, complete: Bool) {
    headBytes.borrow(from: worker.buffers)
    headBytes.append(bytes)
    startedAt = loop.monotonicNanoseconds
    startedReal = loop.realNanoseconds(at: startedAt)
    worker.identify(self)
    if !complete {
      // A head that could not be read says nothing: not even what was recognised in it is trusted in a log. But for one thing.
      head.reset()
      if RequestParser.asksForHead(bytes.span) { head.method = .head }
    }
  }

  /// Takes the head of an HTTP/2 request over, without a copy.
  func adoptHead(of stream: HTTP2Stream) {
    stream.takeHead(&head, &headBytes)
    if stream.headRefusal != nil {
      let isHead = head.method == .head
      head.reset()
      if isHead { head.method = .head }
    }
    startedAt = loop.monotonicNanoseconds
    startedReal = loop.realNanoseconds(at: startedAt)
    worker.identify(self)
  }

  // MARK: What the backend's connection says (overrides must stand in the class; what they do stands by phase)

  package override var opensTunnel: Bool { state.isTunnel }
  package override func upstreamQueued() { noteQueued() }
  package override func upstreamDequeued(_ end: WaitEnd) { noteDequeued(end) }
  package override func upstreamOpening(_ leg: UpstreamLeg) { upstream = leg }
  package override func upstreamReady(_ leg: UpstreamLeg, reused: Bool) {
    // Over since it asked.
    guard state.upstream == .waiting else { return leg.cancel() }
    if waitingSince > 0 { noteWaited() }
    if !reused { worker.upstreamConnected() }
    forward(over: leg)
  }
  package override func upstreamDrained() { client?.resumeContent() }
  package override func upstreamHead(
    _ leg: UpstreamLeg, _ head: borrowing ResponseHead, bytes: UnsafeBufferPointer<UInt8>
  ) {
    responseHead(leg, head, bytes)
  }
  package override func upstreamBody(_ bytes: UnsafeBufferPointer<UInt8>) { responseContent(bytes) }
  package override func upstreamTrailer(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
    responseTrailer(name, value)
  }
  package override func upstreamEnded() { responseEnded() }
  package override func upstreamPaused() { client?.finishTurn() }
  package override func upstreamFailed(_ failure: UpstreamFailure) { responseFailed(failure) }
  package override func upstreamWithdrawn() { connectionWithdrawn() }

  // MARK: What others ask

  var bytes: UnsafeBufferPointer<UInt8> { headBytes.readable }

  /// Checked, since `head` and `headBytes` are filled at different times: a range outside is nothing.
  func slice(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> {
    let bytes = headBytes.readable
    guard range.end <= bytes.count else { return UnsafeBufferPointer(start: nil, count: 0) }
    return UnsafeBufferPointer(rebasing: bytes[range.start..<range.end])
  }

  package var requestID: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: identifiers, count: 36) }

  var traceparent: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: identifiers + 36, count: 55) }

  /// The canonical path; what was sent when there is none.
  var path: UnsafeBufferPointer<UInt8> { pathIsRewritten ? rewrittenPath.readable : slice(head.path) }

  /// Scopes that the route asks for, for the answer to a client that lacks them.
  var requiredScopes: [UInt8] { route?.access.requiredScopes ?? [] }

  /// The value of `Allow` for a request that got 405. Cold.
  func allowedMethods() -> [UInt8] {
    guard let snapshot else { return [] }
    if client?.connection.context.servesLogout == true { return Array("POST".utf8) }
    return snapshot.proxy.routeTable.allow(
      host: slice(head.authority).span, path: path.span, headers: head.fields, bytes: bytes.span)
  }

  /// Whether content from the client has somewhere to go now.
  package var takesContent: Bool {
    if logout != nil || gathering.takesContent { return !state.isOver }
    return state.takesContent && !(upstream?.isCongested ?? false)
  }

  // MARK: Ends

  /// The gateway answers the request by itself. Nothing is forwarded from here on.
  func refuse(_ error: GatewayError) {
    state.answered()
    leaveUpstream()
    answer(error)
  }

  /// The gateway gives the request up: a deadline, or content that breaks a rule.
  func interrupt(_ error: GatewayError) {
    let action = state.interrupted(error)
    if action == .abort { self.error = error }
    perform(action)
  }

  /// The client left before its request could be read: there is nothing to record.
  func discard() {
    isRecorded = true
    client = nil
    worker.giveBack(self)
  }

  /// The client's connection is gone.
  func clientGone() {
    let action = state.clientGone()
    perform(action)
    status = status == 0 ? 499 : status
    finish()
  }

  func perform(_ action: ExchangeState.Action) {
    switch action {
    case .nothing: break
    case .retry: askAgain()
    case .answer(let error):
      // Whoever leaves a line is counted by why.
      self.error = error
      leaveUpstream()
      answer(error)
    case .abort:
      leaveUpstream()
      let client = self.client
      let (error, isGRPC) = (self.error ?? .upstreamReset, self.isGRPC)
      finish()
      client?.abort(error, isGRPC: isGRPC)
    case .cancelUpstream: leaveUpstream()
    case .finish: completeResponse()
    }
  }

  /// Ends whatever is under way with a backend.
  func leaveUpstream() {
    if let upstream {
      self.upstream = nil
      upstream.cancel()
    } else if let snapshot, backend >= 0 {
      snapshot.pools[backend].forget(self)
    }
  }

  private func answer(_ error: GatewayError) {
    self.error = error
    expectation.answered()
    // What a gRPC client gets is a status of gRPC's own, in a response of 200.
    status = statusType == nil ? error.status : 200
    guard let client else { return finish() }
    client.respondError(error, to: self)
    complete(client)
  }

  /// The response is whole in the client's queue.
  func complete(_ client: ClientStream) {
    let isInside = client.isInsideReceived
    finish()
    client.responseCompleted()
    if !isInside { client.finishTurn() }
  }

  /// Records the request and goes back to the worker, which reuses the object in a later turn.
  func finish() {
    guard !isRecorded else { return }
    isRecorded = true
    if awaitedKeys != nil { worker.keyWaiting.forget(self) }
    if let logout, logout.number > 0 { worker.logouts.forget(logout.number) }
    if awaitedAnswer != nil { worker.introspectionWaiting.forget(self) }
    if gathering.phase != .off { releaseGathered() }
    // A backend that went on serving this one would serve whoever has the object next.
    if upstream != nil { leaveUpstream() }
    record()
    client = nil
    worker.giveBack(self)
  }
}
