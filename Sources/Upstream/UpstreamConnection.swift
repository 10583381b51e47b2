import Bytes
import CLinux
import HTTP
import HTTP1
import Limits
import Reactor
import TLS
import Transport

/// One HTTP/1.1 connection to an endpoint of a backend: makes it, checks who answered, carries one request at a time.
public final class UpstreamConnection: SecureChannel {
  package enum State {
    /// Connecting or shaking hands.
    case opening
    /// In the pool.
    case idle
    /// ALPN chose HTTP/2: `http2` carries requests, many at once.
    case shared
    /// Carrying `client`'s request, the response's head not yet complete.
    case awaitingHead
    /// Passing the response's content on.
    case readingBody
  }

  /// How the content being read ends.
  enum Body {
    case none
    case length(UInt64)
    case chunked
    case untilClose
    /// A WebSocket's bytes (RFC 6455), until either side closes.
    case tunnel
  }

  package internal(set) var state = State.opening
  package let pool: BackendPool
  package var backend: Backend { pool.backend }
  package let endpointIndex: Int
  /// Other endpoints that may be tried when TCP does not connect to this one.
  let triesLeft: Int
  /// Where in line he stands for whom it is being made, while it is.
  var sponsor: ClientLine<BackendPool.Waiter>.Place?
  /// What its request's client has in the pool's account; requests on shared connections have their own.
  var charge = Charge.none
  /// Who is served, and holds this: nil as soon as nobody is any more.
  package var client: UpstreamClient?
  package var responseHead: ResponseHead
  var parser: ResponseParser
  var decoder = ChunkedDecoder()
  var body = Body.none
  var interim = InterimBounds()
  var requestMethod = HTTPMethod.get
  /// Requests carried to their end.
  package private(set) var carried = 0
  /// The HTTP/2 side, when ALPN chose it, until the connection closes; all else here is HTTP/1.1.
  private(set) final var http2: UpstreamSession?
  /// Whether another request may begin beside those under way. Until the backend has said how many it takes, there is but one.
  var canShare: Bool {
    guard let http2 else { return false }
    // Content for clients that do not read can use up what the backend may send: whoever came then would wait for them.
    return http2.session.settingsReceived && http2.canOpen && !http2.session.isWindowSpent
  }
  /// It speaks HTTP/2, and the backend has not said yet how many requests it takes.
  var awaitsSettings: Bool { http2.map { !$0.session.settingsReceived } ?? false }
  var requestWritten = false
  /// What the socket had taken before the request.
  private var writtenBefore: UInt64 = 0
  /// The handshake succeeded; the pool's account of connections being made.
  var wasOpened = false
  package var isCountedAsShared = false
  /// Takes no further requests, by the pool's account.
  var isLeaving = false
  /// Made for a WebSocket, and not offered HTTP/2.
  let isForTunnel: Bool
  /// close_notify is to follow what is in `output`.
  private var endsAfterFlush = false
  var requestComplete = false
  private var responseStarted = false
  var keepsOpen = true
  /// It has been in the pool without a request: its backend may have closed it by the time of the next.
  private var hasRested = false
  /// In the pool for long enough to hold no buffers.
  private var isAtRest = false
  /// The turn of the loop in which it was put into the pool.
  private(set) var parkedIn: UInt64 = 0
  private var patience = BackendPatience()
  /// What is taken of the response's rest, when its client has gone.
  var drain: ResponseDrain?

  /// Milliseconds in the pool after which OpenSSL's buffers are given back.
  private static let restAfter = 5_000
  /// Milliseconds a backend has to end its side of a tunnel when the client has ended the other.
  static let tunnelLinger = 10_000

  private init(
    pool: BackendPool, endpointIndex: Int, forTunnel: Bool, triesLeft: Int, descriptor: Int32, wire: consuming Wire, phase: Phase
  ) {
    self.pool = pool
    self.endpointIndex = endpointIndex
    self.triesLeft = triesLeft
    isForTunnel = forTunnel
    responseHead = ResponseHead(fieldCapacity: pool.backend.headLimits.headerCount)
    parser = ResponseParser(limits: pool.backend.headLimits)
    super.init(loop: pool.loop, descriptor: descriptor, wire: wire, phase: phase, buffers: pool.buffers)
    hearsLastWords = true
  }

  /// Starts connecting. - Throws: what `socket` or `connect` said, before any connection object exists.
  static func open(
    to address: SocketAddress, pool: BackendPool, endpointIndex: Int, forTunnel: Bool, triesLeft: Int
  ) throws(Errno) -> UpstreamConnection {
    var descriptor = FileDescriptor(owning: Int32(try Syscall.require { Int(socket(address.family, gh_SOCK_STREAM, 0)) }))
    if address.family != AF_UNIX {
      try? Syscall.setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }
    let raw = descriptor.raw
    var phase = Phase.handshaking
    if address.withPointer({ connect(raw, $0, $1) }) != 0 {
      let error = Errno(gh_errno())
      guard error == .inProgress || error == .interrupted else {
        descriptor.close()
        throw error
      }
      phase = .connecting
    }
    let onlyHTTP1 = forTunnel && pool.backend.protocols != .http2
    let tls = TLSConnection(connecting: pool.backend.tls, fd: raw, only: onlyHTTP1 ? .http1_1 : nil)
    let connection = UpstreamConnection(
      pool: pool, endpointIndex: endpointIndex, forTunnel: onlyHTTP1, triesLeft: triesLeft, descriptor: descriptor.take(),
      wire: Wire(tls, descriptor: raw), phase: phase)
    try connection.register(.write)
    connection.setDeadline(pool.backend.connectTimeout)
    return connection
  }

  // MARK: For the client

  /// Says which request goes out; its head stands in `output` already, or follows at once.
  package func begin(method: HTTPMethod, expectsContinue: Bool = false) {
    requestMethod = method
    requestWritten = true
    writtenBefore = bytesWritten
    responseHead.reset()
    parser.reset()
    interim = InterimBounds(expectsContinue: expectsContinue)
    expect(0)
  }

  /// The request is complete: from here on a response frees the connection.
  package func requestEnded() {
    requestComplete = true
    expect(state == .readingBody ? backend.idleTimeout : backend.responseTimeout)
  }

  /// More of the request came from the client. While the backend takes it in, the client's own deadline is enough;
  /// a backend that does not is given `idleTimeout`.
  package func requestProgressed() {
    if case .tunnel = body { return expect(backend.tunnelTimeout) }
    expect(output.isEmpty ? 0 : backend.idleTimeout)
  }

  /// The backend has switched protocols; called while its head is being handed over.
  func tunnelOpened() {
    body = .tunnel
    requestComplete = false
    expect(backend.tunnelTimeout)
  }

  func tunnelEnded() {
    expect(min(Self.tunnelLinger, backend.tunnelTimeout))
    endsAfterFlush = true
    flush()
    if isOpen, output.isEmpty { wire.shutdown() }
  }

  /// Bounds the wait for the backend, in milliseconds; 0 for no bound.
  func expect(_ milliseconds: Int) {
    if drain == nil { setDeadline(patience.expect(milliseconds)) }
  }

  /// The client has not taken what is there.
  package func holdBack() {
    patience.hold()
    setDeadline(0)
    pauseReading()
  }

  /// It has.
  package func goOn() {
    if let wait = patience.goOn() { setDeadline(wait) }
    resumeReading()
  }

  /// What is missing of the response is read for `nobody`, and not for longer than a while, whatever comes.
  func beginDraining(for nobody: UpstreamClient) {
    client = nobody
    patience = BackendPatience()
    setDeadline(ResponseDrain.milliseconds)
    drain = ResponseDrain()
    // Not from here: whoever cancels has others to tell of it, and the next request may be waiting.
    if isReadingPaused { awaitTurnEnd() }
  }

  package var endpoint: Endpoint { backend.endpoints[endpointIndex] }

  // MARK: The pool

  /// Takes the connection out of the pool for `client`.
  func activate(_ client: UpstreamClient) {
    self.client = client
    state = .awaitingHead
    requestWritten = false
    requestComplete = false
    responseStarted = false
    isAtRest = false
    patience = BackendPatience()
    drain = nil
    body = .none
  }

  /// Whether its backend may have closed it before it had seen the present request.
  var mayBeStale: Bool { carried > 0 || hasRested }

  /// Puts a connection without a request into the pool, which may have the next one at hand: that does not follow before one look at
  /// what the backend has said meanwhile.
  func park() {
    if pool.isAwaited, !isQuiet() { return }
    if state == .opening { state = .idle } else { carried &+= 1 }
    guard !pool.isRetired else { return shutDown() }
    hasRested = true
    parkedIn = loop.turnCount
    releaseQueues()
    setDeadline(min(Self.restAfter, backend.idleTimeout))
    pool.park(self)
  }

  /// Whether the backend has said nothing since its last answer ended; if it has, the connection is closed. HTTP/1.1 knows an answer
  /// by nothing but its place: one that is there before its request would be given to whoever asks next.
  func isQuiet() -> Bool {
    if isSilent() { return true }
    shutDown()
    return false
  }

  // MARK: SecureChannel

  public override func handshakeCompleted() {
    // One that nobody waited for any more when the pool was retired. It carries nothing by a trust that is withdrawn.
    guard !pool.isRetired else { return shutDown() }
    if wire.negotiatedProtocol == .h2 { return becomeShared() }
    guard backend.protocols != .http2 else {
      return fail(UpstreamFailure(.protocol, requestUnsent: true))
    }
    // What comes along with the handshake's end is no answer: told of it, `received` refuses it.
    _ = isSilent()
    guard isOpen else { return }
    pool.opened(self)
  }

  /// The backend speaks HTTP/2: the connection is everybody's from here on.
  private func becomeShared() {
    state = .shared
    let session = UpstreamSession(self)
    http2 = session
    setDeadline(0)
    pool.becameShared(self)
    if isOpen { session.restIfEmpty() }
    awaitTurnEnd()
  }

  /// A stream for `client`.
  func carry(_ client: UpstreamClient, _ charge: Charge, on http2: UpstreamSession) {
    let reused = carried > 0
    carried &+= 1
    let stream = http2.open(client, charge)
    guard client.opensTunnel, !http2.session.peerTakesTunnels else {
      return client.upstreamReady(.http2(stream), reused: reused)
    }
    client.upstreamOpening(.http2(stream))
    stream.awaitSettings(reused: reused)
  }

  public override func handshakeFailed(_ failure: TransportFailure) {
    let kind: UpstreamFailure.Kind
    switch failure {
    case .connect, .timeout, .closed: kind = phase == .connecting ? .connect : .tls
    case .tls(let failure): kind = failure.kind == .identity ? .identity : .tls
    }
    fail(UpstreamFailure(kind, requestUnsent: true, cause: failure))
  }

  public override func received() {
    responseStarted = true
    if drain?.take(input.count) == false { return shutDown() }
    while isOpen, !input.isEmpty {
      switch state {
      case .shared:
        http2?.received()
        return
      case .opening:
        return fail(UpstreamFailure(.protocol, requestUnsent: true))
      case .idle:
        // Bytes nobody asked for: this connection cannot be trusted to carry another request.
        return shutDown()
      case .awaitingHead:
        guard client != nil, requestWritten else { return fail(UpstreamFailure(.protocol, requestUnsent: true)) }
        // While the socket has taken nothing of the request, what comes is no answer to it: another connection may be tried.
        guard bytesWritten != writtenBefore else {
          return fail(UpstreamFailure(.reset, requestUnsent: true, connectionReused: mayBeStale))
        }
        guard readHead() else { return finishTurn() }
      case .readingBody:
        guard readBody() else { return finishTurn() }
      }
      if isReadingPaused { return finishTurn() }
    }
    finishTurn()
  }

  /// What came has been handed over; the client may write it on.
  private func finishTurn() {
    client?.upstreamPaused()
  }

  public override func drained() {
    http2?.write()
    client?.upstreamDrained()
  }

  public override func turnEnding() {
    http2?.write()
    if drain != nil, isOpen, isReadingPaused { resumeReading() }
  }

  public override func ready(_ readiness: Readiness) {
    super.ready(readiness)
    // The rest of a tunnel's last bytes may have left in this event.
    if isOpen, endsAfterFlush, output.isEmpty { wire.shutdown() }
  }

  public override func ended(clean: Bool) {
    if state == .readingBody, case .tunnel = body { return complete() }
    if state == .readingBody, case .untilClose = body {
      // Without close_notify the end may be an attacker's: the client must not take a part for the whole.
      if clean {
        complete()
      } else {
        fail(UpstreamFailure(.reset, requestUnsent: false, responseStarted: true, cause: .closed))
      }
      return
    }
    failed(.closed)
  }

  public override func failed(_ failure: TransportFailure) {
    let hasAnswered = http2.map { $0.hasAnswered } ?? (responseStarted || carried > 0)
    let kind = UpstreamFailure.Kind(of: failure, hasAnswered: hasAnswered)
    http2?.isLost(kind)
    fail(
      UpstreamFailure(
        kind, requestUnsent: !requestWritten, connectionReused: mayBeStale, responseStarted: responseStarted, cause: failure))
  }

  public override func deadlineReached() {
    switch state {
    case .shared:
      http2?.deadlineReached()
    case .opening:
      fail(UpstreamFailure(.connect, requestUnsent: true, cause: .timeout, timeout: .connect))
    case .idle:
      if isAtRest || backend.idleTimeout <= Self.restAfter { return shutDown() }
      isAtRest = true
      wire.releaseBuffers()
      setDeadline(backend.idleTimeout - Self.restAfter)
    case .awaitingHead, .readingBody:
      fail(
        UpstreamFailure(
          .timeout, requestUnsent: false, connectionReused: mayBeStale, responseStarted: state == .readingBody, cause: .timeout,
          timeout: presentTimeout))
    }
  }

  /// What the backend is waited for by, while it carries a request.
  private var presentTimeout: BackendTimeout {
    if case .tunnel = body { return endsAfterFlush ? .close : .tunnel }
    return state == .awaitingHead && requestComplete ? .response : .idle
  }

  /// Closes and tells the client, if there is one, which then has no connection any more.
  func fail(_ failure: UpstreamFailure) {
    var failure = failure
    failure.endpoint = endpointIndex
    if state == .opening { return pool.failedToOpen(self, failure) }
    let client = self.client
    self.client = nil
    close()
    client?.upstreamFailed(failure)
  }

  /// Says goodbye and closes.
  package func shutDown() {
    guard isOpen else { return }
    if phase == .open { wire.shutdown() }
    close()
  }

  /// Whoever is served hears of the end last, when nothing here is in use any more and its place is free: he may ask for another.
  public override func closing() {
    pool.closed(self, wasIdle: state == .idle)
    http2?.connectionGone()
    http2 = nil
    guard let client else { return }
    self.client = nil
    client.upstreamFailed(
      UpstreamFailure(
        .reset, requestUnsent: !requestWritten, connectionReused: mayBeStale, responseStarted: responseStarted, cause: .closed))
  }
}
