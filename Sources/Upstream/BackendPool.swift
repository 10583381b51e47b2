import Bytes
import HTTP2
import Limits
import Reactor

/// Connections to backends that one worker has open, all pools together.
package final class ConnectionCounts {
  /// HTTP/1.1, and those still being made.
  package internal(set) var open = 0
  package internal(set) var shared = 0
  package init() {}
}

/// One worker's connections to one backend: which are idle, how many there are, who waits for one.
///
/// The newest idle connections are taken (last in, first out), so that the rest grow old and leave when traffic
/// falls. A request for which a connection has to be made is served by whichever becomes free first. When all the connections
/// allowed are busy, or its client has its share of them, a request waits in line. When that is full, one of the client who has
/// most in it is refused.
package final class BackendPool {
  package let loop: EventLoop
  package let buffers: BufferPool
  package internal(set) var backend: Backend
  /// Which of the workers this is, and its part of the limits.
  private let worker: Int
  private(set) var connectionLimit: Int
  private(set) var pendingLimit: Int
  /// No new requests: the backend is gone from the configuration, or its trust has changed.
  package private(set) var isRetired = false

  var idle: [[UpstreamConnection]]
  /// Connections that carry many requests at once (HTTP/2), per endpoint.
  var shared: [[UpstreamConnection]]
  /// Whether the endpoint's last connection spoke HTTP/2, so that waiting for one that is being made is worth it.
  var sharesConnections: [Bool]
  /// Connections being made, per endpoint.
  var opening: [Int]
  /// Streams of HTTP/2 connections to this backend.
  let streams: HTTP2StreamPool
  /// Requests being carried and connections being made, per endpoint.
  var active: [Int]
  /// Until when (ms of the loop's clock) an endpoint that refused a connection is passed over.
  var restUntil: [UInt64]
  var open = 0
  let counts: ConnectionCounts
  /// The endpoint that was looked at first when one was last chosen.
  var next = 0
  /// Connections that were begun: an endpoint's addresses are tried in turn.
  var attempts = 0
  /// Connections that read the rest of a response whose client has gone, in whose share they are until then.
  var draining = 0
  /// Bytes that answers take whose connection is gone, and what their clients have of `share` for them.
  package internal(set) var left = 0
  var leftCharge = 0

  /// Connections that many shared and that take no further requests: each stays for what is on it, and another may take its place.
  var leaving = 0

  /// What each client has of the connections, in thousandths of one.
  var share: ClientShares
  /// What each client has of the windows of shared connections: bytes of answers that wait for it. A connection whose window is held
  /// takes no further request of anybody, however few streams hold it.
  var windows: ClientShares
  /// How many of each client's requests wait without a connection being made for them. A client who is alone may fill the line: what
  /// waits can be refused when others come.
  var pendingCounts = ClientLedger()
  /// Requests for each of which a connection is being made.
  var started = ClientLine<Waiter>()
  /// Requests that wait.
  var pending = ClientLine<Waiter>()
  /// Connections that are being made, and whose request has gone or been served by another: the next that wants one takes it over.
  var unclaimed: [UpstreamConnection] = []
  /// How many stand in each. Asked for each request, and asking a line would retain all that it consists of.
  var startedCount = 0
  var pendingCount = 0
  /// How many waited when the limits last changed: they go on waiting, however few may now.
  private(set) var pendingAtReload = 0
  /// Something has become free in this turn: who waits gets it at its end.
  var servesAtTurnEnd = false
  /// Somebody in line is being served: what becomes free meanwhile is for the next round, not for a call within this one.
  var isServing = false

  /// Milliseconds an endpoint rests after a failed connect, while others can be had.
  static let rest: UInt64 = 2_000
  /// Idle connections among which one is looked for that needs no look at its socket.
  static let lookedAt = 32
  /// A connection in the client's account; a stream of a shared one is a part of it.
  static let wholeConnection = 1_000

  /// Somebody in line.
  struct Waiter {
    let client: UpstreamClient
    /// In ms of the loop's clock.
    let since: UInt64
    /// The connection that is being made for him; he is served by any other that is free before.
    var attempt: UpstreamConnection?
  }

  package init(loop: EventLoop, backend: Backend, worker: Int = 0, buffers: BufferPool, counts: ConnectionCounts) {
    self.loop = loop
    self.worker = worker
    connectionLimit = backend.connectionLimit.part(of: worker)
    pendingLimit = backend.pendingLimit.part(of: worker)
    self.counts = counts
    self.backend = backend
    self.buffers = buffers
    idle = Array(repeating: [], count: backend.endpoints.count)
    shared = Array(repeating: [], count: backend.endpoints.count)
    sharesConnections = Array(repeating: backend.protocols == .http2, count: backend.endpoints.count)
    opening = Array(repeating: 0, count: backend.endpoints.count)
    streams = HTTP2StreamPool(client: backend.headLimits.headerCount, buffers: buffers)
    active = Array(repeating: 0, count: backend.endpoints.count)
    restUntil = Array(repeating: 0, count: backend.endpoints.count)
    share = ClientShares(capacity: connectionLimit &* Self.wholeConnection, percent: backend.clientShare)
    windows = ClientShares(capacity: connectionLimit &* UpstreamSession.windows.connection, percent: backend.clientShare)
    for index in idle.indices { idle[index].reserveCapacity(64) }
  }

  /// Whether requests may share a connection: the backend may speak HTTP/2.
  package var mayShare: Bool { backend.protocols != .http1 }
  package var openConnections: Int { open }
  package var idleConnections: Int { idle.reduce(0) { $0 + $1.count } }
  /// Requests in line, whether or not a connection is being made for them.
  package var waitingRequests: Int { startedCount &+ pendingCount }

  /// Gets `client` a connection. Its `upstreamReady`, `upstreamFailed` or `upstreamWithdrawn` is called, perhaps before this returns.
  package func acquire(for client: UpstreamClient) {
    if isRetired { return client.upstreamWithdrawn() }
    // Places that have become free are for those in line.
    let promised = servesAtTurnEnd ? room : 0
    let isFull = pendingCount &- promised >= pendingLimit
    if !servesAtTurnEnd, mayTake(client.origin) {
      switch find(forTunnel: client.opensTunnel, mayWait: !isFull) {
      case .shared(let connection): return carry(client, on: connection)
      case .idle(let connection): return hand(connection, to: client)
      case .room(let endpoint): return start(Waiter(client: client, since: loop.now), at: endpoint)
      case .none: break
      }
    }
    var displaced: UpstreamClient?
    if isFull {
      guard let place = pending.displaced(by: client.origin, amount: { pendingCounts.amount(of: $0.address) }) else {
        return client.upstreamFailed(UpstreamFailure(.overloaded, requestUnsent: true))
      }
      displaced = leave(pending.remove(place), .displaced)
    }
    pendingCounts.add(1, to: client.origin.address)
    pendingCount &+= 1
    let place = pending.append(Waiter(client: client, since: loop.now), of: client.origin, kind: client.opensTunnel)
    client.waiting = .pending(place)
    client.upstreamQueued()
    displaced?.upstreamFailed(UpstreamFailure(.overloaded, requestUnsent: true))
  }

  /// Takes `client` out of the line, if it stands in it. A connection that is being made for it is made all the same.
  package func forget(_ client: UpstreamClient) {
    guard let waiting = client.waiting else { return }
    client.waiting = nil
    switch waiting {
    case .pending(let place):
      guard pending.remove(place) != nil else { return }
      pendingCount &-= 1
      pendingCounts.remove(1, from: client.origin.address)
      client.upstreamDequeued(.left)
    case .started(let place):
      guard let waiter = started.remove(place) else { return }
      startedCount &-= 1
      unclaim(waiter.attempt)
      share.give(Self.wholeConnection, from: client.origin)
      serveAtTurnEnd()
    }
  }

  /// The same backend in a newer snapshot: endpoints, trust and identities are equal, limits and time-outs may not be.
  package func adopt(_ backend: Backend) {
    precondition(backend.poolKey == self.backend.poolKey)
    self.backend = backend
    pendingAtReload = pendingCount
    connectionLimit = backend.connectionLimit.part(of: worker)
    pendingLimit = backend.pendingLimit.part(of: worker)
    share.percent = backend.clientShare
    windows.percent = backend.clientShare
    divide()
    serveAtTurnEnd()
  }

  /// What clients have on connections that are leaving is divided with the rest.
  func divide() {
    let connections = connectionLimit &+ replaced
    share.capacity = connections &* Self.wholeConnection
    windows.capacity = connections &* UpstreamSession.windows.connection
  }

  /// Takes no new requests: idle connections close now, busy ones when their request is over, and those being made are not to be:
  /// what they are made by is no longer in force. Whoever stands in line is told so at the end of the turn, when what has taken
  /// its place is.
  package func retire() {
    guard !isRetired else { return }
    isRetired = true
    let making = started.all.compactMap(\.element.attempt) + unclaimed
    for connection in making where !connection.wasOpened {
      if let sponsor = connection.sponsor { started.update(sponsor) { $0.attempt = nil } }
      connection.sponsor = nil
      connection.shutDown()
    }
    let unsettled = shared.flatMap { $0.filter(\.awaitsSettings) }
    if waitingRequests > 0 || !unsettled.isEmpty { loop.atTurnEnd { self.withdraw(unsettled) } }
    for connection in idle.flatMap({ $0 }) { connection.shutDown() }
    for connection in shared.flatMap({ $0 }) where connection.http2?.isEmpty == true { connection.shutDown() }
    for index in shared.indices { shared[index] = [] }
  }

  /// Sends away whoever stands in line, and who waits on a connection for what its backend takes. Nobody comes to either any more.
  private func withdraw(_ unsettled: [UpstreamConnection]) {
    for connection in unsettled { connection.http2?.withdraw() }
    while let place = started.first(where: { _, _ in true }), let client = leave(started.take(place), .withdrawn) { client.upstreamWithdrawn() }
    while let place = pending.first(where: { _, _ in true }), let client = leave(pending.take(place), .withdrawn) { client.upstreamWithdrawn() }
  }
}
