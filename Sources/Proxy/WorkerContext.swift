import Bytes
import CLinux
import HTTP
import HTTP2
import Limits
import Reactor
import TLS
import Telemetry
import Tokens
import Transport
import Upstream

/// All that one worker has for itself: its loop, memory, token cache, pools, counters. Nothing here is shared and nothing
/// is locked; other threads speak to a worker through its mailbox.
package final class WorkerContext {
  package let loop: EventLoop
  /// Which of the workers it is, counted from 0.
  package let number: Int
  package let buffers = BufferPool()
  /// Streams of HTTP/2 connections from clients.
  let serverStreams: HTTP2StreamPool
  package let metrics: WorkerMetrics
  package let verifier: AccessTokenVerifier
  package let keyWaiting = KeyWaiting()
  package let logouts = LogoutDesk()
  package let introspectionWaiting = IntrospectionWaiting()
  let proofs = DPoPProof()
  package private(set) var snapshot: WorkerSnapshot {
    didSet { writesAccessLog = snapshot.proxy.writesAccessLog }
  }
  /// The present snapshot's word.
  private(set) var writesAccessLog: Bool
  /// No new connections, and each answer is the last of its connection.
  package private(set) var isDraining = false
  /// Called once, when draining and the last client is gone.
  package var onDrained: (() -> Void)?

  /// Room for one canonical path: no longer than the path as sent, which is no longer than the largest head.
  let pathScratch: UnsafeMutableBufferPointer<UInt8>
  /// Room for the claims of an internal token while it is made.
  var claimScratch: [UInt8] = []
  let signer = TokenSigner()
  var warm: WarmConnections
  /// For content that is gathered before a backend is asked for.
  var gatheredMemory: SharedMemory
  var log: LogWriter
  /// Lines that could not be written and have not been told of, and when that was done last.
  private var unwrittenLines = 0
  private var unwrittenReported: UInt64?
  var accessLog = AccessLog()
  let report: (String) -> Void
  /// Where a backend's failures are told, with their cause; clients hear only the code.
  private let reportFailure: (Backend, Int, UpstreamFailure) -> Void
  private var identifiers = RequestIDGenerator()
  private var generator = RandomGenerator()

  private var freeExchanges: [Exchange] = []
  /// Over, but perhaps still on the stack: free at the end of the turn.
  private var finishedExchanges: [Exchange] = []
  package private(set) var activeExchanges = 0
  private var connections = 0
  /// Connections that linger patiently, and whose they are.
  var lingering = ClientShares(capacity: WorkerContext.lingeringLimit, percent: 50)
  private var listenerTrust: [String: ListenerTrust] = [:]
  let upstreamCounts = ConnectionCounts()
  private var countedUpstream = 0
  private var countedShared = 0
  /// What the cache of verified tokens held when its gauge was set last.
  private var countedCacheBytes = 0
  private var unmintedReported: [MintFailure: UInt64] = [:]
  private var refusedLogouts: [String: UInt64] = [:]

  /// Largest head that any listener may allow, in bytes.
  package static let maximumHead = 1 << 20
  /// Connections that read on behind an answer for as long as it takes; others do so briefly. One client has at most half of them.
  static let lingeringLimit = 256
  /// Exchanges kept for the next requests.
  private static let keptExchanges = 1024

  /// - Parameters:
  ///   - logDescriptor: where access-log lines go; -1 for nowhere. Stays the control thread's.
  ///   - report: says a sentence to the process's log.
  ///   - tokenCacheBytes: this worker's bound for verified tokens.
  ///   - warmConnections: idle connections of clients that keep their buffers.
  package init(
    loop: EventLoop, number: Int = 0, metrics: WorkerMetrics, snapshot: ProxySnapshot, logDescriptor: Int32, tokenCacheBytes: Int,
    warmConnections: Int = WarmConnections.capacity,
    report: @escaping (String) -> Void, reportFailure: @escaping (Backend, Int, UpstreamFailure) -> Void
  ) {
    self.loop = loop
    self.number = number
    self.metrics = metrics
    gatheredMemory = SharedMemory(limit: snapshot.gatheredLimit)
    log = LogWriter(descriptor: logDescriptor)
    warm = WarmConnections(capacity: warmConnections)
    self.report = report
    self.reportFailure = reportFailure
    verifier = AccessTokenVerifier(providers: snapshot.providers, cacheBytes: tokenCacheBytes)
    pathScratch = .allocate(capacity: Self.maximumHead)
    let buffers = self.buffers
    serverStreams = HTTP2StreamPool(server: Exchange.fieldCapacity, buffers: buffers)
    writesAccessLog = snapshot.writesAccessLog
    let upstreamCounts = self.upstreamCounts
    self.snapshot = WorkerSnapshot(
      proxy: snapshot,
      pools: snapshot.backends.map { BackendPool(loop: loop, backend: $0, worker: number, buffers: buffers, counts: upstreamCounts) },
      internalTokens: snapshot.internalTokens)
    verifier.install(snapshot.revocations)
    countCache()
    loop.endOfTurn = { self.endTurn() }
  }

  deinit { pathScratch.deallocate() }

  /// Nothing is kept for a next request.
  func letGo() {
    freeExchanges = []
    finishedExchanges = []
    onDrained = nil
  }

  // MARK: Snapshots

  /// Takes a new snapshot for all requests to come; those in flight finish on theirs. Pools whose trust and endpoints are
  /// the same go on with their connections; the others take no new requests and make no connections, so that who waits for one there
  /// is decided about anew.
  package func install(_ next: ProxySnapshot) {
    var old: [[UInt8]: BackendPool] = [:]
    for pool in snapshot.pools { old[pool.backend.poolKey] = pool }
    let pools = next.backends.map { backend -> BackendPool in
      guard let pool = old.removeValue(forKey: backend.poolKey) else {
        return BackendPool(loop: loop, backend: backend, worker: number, buffers: buffers, counts: upstreamCounts)
      }
      pool.adopt(backend)
      return pool
    }
    gatheredMemory.limit = next.gatheredLimit
    verifier.install(providers: next.providers)
    if next.revocations !== verifier.revocations { install(next.revocations) }
    snapshot = WorkerSnapshot(proxy: next, pools: pools, internalTokens: next.internalTokens)
    // Now that whoever is sent away finds what has taken their place.
    for pool in old.values { pool.retire() }
    signer.forgetKeys()
  }

  /// Another key signs from now on, or one is no longer published, in the snapshot in force.
  package func install(_ internalTokens: InternalTokens) {
    snapshot = WorkerSnapshot(proxy: snapshot.proxy, pools: snapshot.pools, internalTokens: internalTokens)
    signer.forgetKeys()
  }

  /// Takes keys that were fetched; nil takes them away. Whoever waited for them goes on.
  package func install(_ keySet: KeySet?, for remote: RemoteKeys) {
    verifier.install(keySet, for: remote)
    keyWaiting.settled(remote)
  }

  /// Takes a new list of what is denied: for requests to come, for tokens in the cache, and for what such a token has let in
  /// already.
  package func install(_ revocations: RevocationList) {
    verifier.install(revocations)
    let now = seconds
    for channel in loop.channels() {
      guard let connection = channel as? DownstreamConnection else { continue }
      for exchange in connection.exchanges {
        if let token = exchange.token, verifier.isRevoked(token, now: now) { exchange.revoke() }
      }
    }
  }

  // MARK: Exchanges

  func takeExchange(for client: ClientStream) -> Exchange {
    let exchange = freeExchanges.popLast() ?? Exchange(worker: self)
    activeExchanges &+= 1
    exchange.open(client)
    return exchange
  }

  func giveBack(_ exchange: Exchange) {
    activeExchanges &-= 1
    finishedExchanges.append(exchange)
  }

  private func endTurn() {
    if !finishedExchanges.isEmpty {
      while let exchange = finishedExchanges.popLast() {
        exchange.reset()
        if freeExchanges.count < Self.keptExchanges { freeExchanges.append(exchange) }
      }
    }
    if !log.queue.isEmpty { flushLog() }
    count(upstreamCounts.open, &countedUpstream, .http1)
    count(upstreamCounts.shared, &countedShared, .http2)
    if verifier.cache.bytes != countedCacheBytes { countCache() }
    if isDraining, connections == 0, let drained = onDrained {
      onDrained = nil
      drained()
    }
  }

  private func countCache() {
    countedCacheBytes = verifier.cache.bytes
    metrics.setTokenCacheBytes(countedCacheBytes)
  }

  /// Brings the gauge of connections to backends to `now`.
  private func count(_ now: Int, _ counted: inout Int, _ version: WorkerMetrics.ConnectionProtocol) {
    while counted < now {
      metrics.connectionOpened(side: .upstream, protocol: version)
      counted += 1
    }
    while counted > now {
      metrics.connectionClosed(side: .upstream, protocol: version)
      counted -= 1
    }
  }

  /// The canonical form of `path`, which stands in `pathScratch` if it is another.
  func canonicalise(_ path: UnsafeBufferPointer<UInt8>, _ rules: PathRules) -> CanonicalPath.Result {
    var scratch = pathScratch.mutableSpan
    return CanonicalPath.canonicalise(path.span, rules, into: &scratch)
  }

  // MARK: Identifiers, randomness, time

  /// Seconds since 1970, at the present turn.
  package var seconds: Int64 { Int64(loop.realNanoseconds(at: loop.nowNanoseconds) / 1_000_000_000) }

  /// Tells of internal tokens that were not made, each kind at most once in ten seconds: who is affected asks again and again.
  func reportUnminted(_ backend: Backend, _ failure: MintFailure) {
    if let last = unmintedReported[failure], loop.now < last &+ 10_000 { return }
    unmintedReported[failure] = loop.now
    switch failure {
    case .tooLarge: report("an internal token for \(backend.name) is above internal_token.maximum_bytes: a request was refused")
    case .actor: report("an access token's `act` is no object: a request for \(backend.name) was refused")
    case .expired, .signature: report("an internal token for \(backend.name) was not made: \(failure)")
    }
  }

  /// Tells why a logout was refused, each reason at most once in ten seconds: anybody may send them.
  func reportRefusedLogout(_ reason: StaticString) {
    let text = "\(reason)"
    if let last = refusedLogouts[text], loop.now < last &+ 10_000 { return }
    refusedLogouts[text] = loop.now
    report("a back-channel logout was refused: \(text)")
  }

  /// Tells once of a provider whose tokens live for longer than they may: `exp` in milliseconds, most often.
  func reportLongLife() {
    guard let name = verifier.takeLongLife() else { return }
    report(
      "an access token of \(name) would live for longer than its maximum_token_life and was refused: look at its `exp`, which is in seconds; "
        + "this is said once")
  }

  package func random() -> UInt64 { generator.next() }

  /// Gives `exchange` its request id and its place in the trace.
  func identify(_ exchange: Exchange) {
    var id = UnsafeMutableBufferPointer(start: exchange.identifiers, count: RequestIDGenerator.length).mutableSpan
    identifiers.next(at: Int64(exchange.startedReal / 1_000_000), to: &id)
    let trace: TraceContext
    if let index = exchange.head.fields.first(.traceparent),
      exchange.head.fields.first(.traceparent, from: index + 1) == nil
    {
      trace = TraceContext(continuing: exchange.slice(exchange.head.fields[index].value).span, random: &generator)
    } else {
      trace = TraceContext(continuing: nil, random: &generator)
    }
    var text = UnsafeMutableBufferPointer(
      start: exchange.identifiers + RequestIDGenerator.length, count: TraceContext.length
    ).mutableSpan
    trace.write(to: &text)
    exchange.continuesTrace = trace.isContinued
  }

  // MARK: Connections

  func connectionOpened() {
    connections &+= 1
    metrics.connectionOpened(side: .edge, protocol: .http1)
  }

  /// A connection that was counted as HTTP/1.1 turned out to be HTTP/2.
  func becameHTTP2() {
    metrics.connectionClosed(side: .edge, protocol: .http1)
    metrics.connectionOpened(side: .edge, protocol: .http2)
  }

  func connectionClosed(isHTTP2: Bool) {
    connections &-= 1
    metrics.connectionClosed(side: .edge, protocol: isHTTP2 ? .http2 : .http1)
  }

  /// Counts and logs a backend that gave no (whole) response.
  ///
  /// - Parameter brokeOff: a response had begun, and is counted when its request is.
  func upstreamFailed(_ failure: UpstreamFailure, _ snapshot: WorkerSnapshot?, _ backend: Int, endpoint: Int, brokeOff: Bool) {
    guard let snapshot, backend >= 0 else { return }
    let backend = snapshot.proxy.backends[backend]
    if !brokeOff {
      metrics.countUpstream(
        backend: backend.metricID, endpoint: endpoint >= 0 ? backend.endpoints[endpoint].metricID : MetricNames.none,
        result: UpstreamOutcome(failure.kind).rawValue)
    }
    if failure.requestUnsent, failure.kind == .tls || failure.kind == .identity {
      metrics.countHandshake(side: .upstream, result: HandshakeOutcome.failed.rawValue)
    }
    if failure.kind != .overloaded { reportFailure(backend, endpoint, failure) }
  }

  func upstreamConnected() { metrics.countHandshake(side: .upstream, result: HandshakeOutcome.succeeded.rawValue) }

  func handshakeEnded(_ outcome: HandshakeOutcome) { metrics.countHandshake(side: .edge, result: outcome.rawValue) }

  // MARK: Ends

  /// Takes what listeners, by name, let clients in by from now on. A connection that would not be let in as it is takes no further
  /// request, and ends.
  package func review(_ trust: [String: ListenerTrust]) {
    guard trust != listenerTrust else { return }
    listenerTrust = trust
    for channel in loop.channels() {
      guard let connection = channel as? DownstreamConnection, connection.isOpen else { continue }
      if trust[connection.context.name].map(connection.isKept) != true { connection.retire() }
    }
  }

  /// Ends idle connections now and busy ones with their present answer.
  package func drain() {
    isDraining = true
    for channel in loop.channels() {
      if let listener = channel as? DownstreamListener { listener.close() }
      if let connection = channel as? DownstreamConnection { connection.drain() }
    }
  }

  /// Connections from clients that are open.
  package var openConnections: Int { connections }

  // MARK: The access log

  private func flushLog() {
    let lost = log.flush()
    if lost > 0 { report("the access log's reader stalled: \(lost) lines were dropped") }
    if log.failure != nil { reportUnwritten() }
  }

  /// Counts what could not be written, and tells it: at most once in ten seconds, since a disk that is full fails each line; the rest
  /// `atTheEnd`.
  func reportUnwritten(atTheEnd: Bool = false) {
    guard let failure = log.failure else { return }
    let lines = log.takeDiscarded()
    metrics.countDroppedLines(lines)
    unwrittenLines += lines
    if !atTheEnd, let unwrittenReported, loop.now < unwrittenReported &+ 10_000 { return }
    log.failureWasTold()
    guard unwrittenLines > 0 else { return }
    unwrittenReported = loop.now
    report("the access log cannot be written: \(failure); \(unwrittenLines) \(unwrittenLines == 1 ? "line was" : "lines were") dropped")
    unwrittenLines = 0
  }
}

/// How a handshake with a client ended; the raw value indexes the metric's words.
package enum HandshakeOutcome: UInt8, CaseIterable, Sendable {
  case succeeded, resumed, failed, timedOut

  package var word: String {
    switch self {
    case .succeeded: "success"
    case .resumed: "resumed"
    case .failed: "failure"
    case .timedOut: "timeout"
    }
  }
}
