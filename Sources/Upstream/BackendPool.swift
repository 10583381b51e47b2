import Bytes
import HTTP2
import Limits
import Reactor

/// Connections to backends that one worker has open, all pools together.
package final class ConnectionCounts {
  /// HTTP/1.1, and those still being made.
  package fileprivate(set) var open = 0
  package fileprivate(set) var shared = 0
  /// The turn of the loop in which an idle connection was taken last.
  fileprivate var tookIn: UInt64 = 0
  package init() {}
}

/// One worker's connections to one backend: which are idle, how many there are, who waits for one.
///
/// Only the newest idle connection is taken (last in, first out), so that the rest grow old and leave when traffic
/// falls. A request for which a connection has to be made is served by whichever becomes free first. When all the connections
/// allowed are busy, or its client has its share of them, a request waits in line. When that is full, one of the client who has
/// most in it is refused.
package final class BackendPool {
  package let loop: EventLoop
  package let buffers: BufferPool
  package internal(set) var backend: Backend
  /// No new requests: the backend is gone from the configuration, or its trust has changed.
  package private(set) var isRetired = false

  var idle: [[UpstreamConnection]]
  /// Connections that carry many requests at once (HTTP/2), per endpoint.
  var shared: [[UpstreamConnection]]
  /// Whether the endpoint's last connection spoke HTTP/2, so that waiting for one that is being made is worth it.
  private var sharesConnections: [Bool]
  /// Connections being made, per endpoint.
  var opening: [Int]
  /// Streams of HTTP/2 connections to this backend.
  let streams: HTTP2StreamPool
  /// Requests being carried and connections being made, per endpoint.
  var active: [Int]
  /// Until when (ms of the loop's clock) an endpoint that refused a connection is passed over.
  private var restUntil: [UInt64]
  var open = 0
  private let counts: ConnectionCounts
  private var next = 0
  private var attempts = 0
  /// Connections that read the rest of a response whose client has gone, in whose share they are until then.
  var draining = 0

  /// What each client has of the connections, in thousandths of one.
  var share: FairShare
  /// How many of each client's requests wait without a connection being made for them. A client who is alone may fill the line: what
  /// waits can be refused when others come.
  var pendingCounts = ClientLedger()
  /// Requests for each of which a connection is being made.
  var started = FairLine<Waiter>()
  /// Requests that wait.
  var pending = FairLine<Waiter>()
  /// Connections that are being made, and whose request has gone or been served by another: the next that wants one takes it over.
  private(set) var unclaimed: [UpstreamConnection] = []
  /// How many stand in each. Asked for each request, and asking a line would retain all that it consists of.
  private(set) var startedCount = 0
  private(set) var pendingCount = 0
  /// Something has become free in this turn: who waits gets it at its end.
  private var servesAtTurnEnd = false

  /// Milliseconds an endpoint rests after a failed connect, while others can be had.
  private static let rest: UInt64 = 2_000
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

  package init(loop: EventLoop, backend: Backend, buffers: BufferPool, counts: ConnectionCounts) {
    self.loop = loop
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
    share = FairShare(capacity: backend.connectionLimit &* Self.wholeConnection, percent: backend.clientShare)
    for index in idle.indices { idle[index].reserveCapacity(64) }
  }

  /// Whether requests may share a connection: the backend may speak HTTP/2.
  package var mayShare: Bool { backend.protocols != .http1 }
  package var openConnections: Int { open }
  package var idleConnections: Int { idle.reduce(0) { $0 + $1.count } }
  /// Requests in line, whether or not a connection is being made for them.
  package var waitingRequests: Int { startedCount &+ pendingCount }

  /// Gets `client` a connection. Its `upstreamReady` or `upstreamFailed` is called, perhaps before this returns.
  package func acquire(for client: UpstreamClient) {
    // Places that have become free are for those in line.
    let promised = servesAtTurnEnd ? max(0, backend.connectionLimit &- open) : 0
    let isFull = pendingCount &- promised >= backend.pendingLimit
    if !servesAtTurnEnd, share.mayTake(client.origin) {
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
      displaced = leave(pending.remove(place))
    }
    pendingCounts.add(1, to: client.origin.address)
    pendingCount &+= 1
    let place = pending.append(Waiter(client: client, since: loop.now), of: client.origin, kind: client.opensTunnel)
    client.waiting = .pending(place)
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
    share.capacity = backend.connectionLimit &* Self.wholeConnection
    share.percent = backend.clientShare
    serveAtTurnEnd()
  }

  /// Takes no new requests: idle connections close now, busy ones when their request is over.
  package func retire() {
    isRetired = true
    for connection in idle.flatMap({ $0 }) { connection.shutDown() }
    for connection in shared.flatMap({ $0 }) where connection.http2?.isEmpty == true { connection.shutDown() }
    for index in shared.indices { shared[index] = [] }
  }

  // MARK: What there is

  private enum Found {
    case shared(UpstreamConnection)
    /// Out of the pool, and counted as busy.
    case idle(UpstreamConnection)
    /// A connection may be made.
    case room(endpoint: Int)
    case none
  }

  /// - Parameter mayWait: rather than have a connection made when a shared one is being made.
  private func find(forTunnel: Bool, mayWait: Bool) -> Found {
    let endpoint = choose()
    if forTunnel {
      // Over a shared connection whose backend takes extended CONNECT, or an HTTP/1.1 connection for itself.
      if let connection = shared[endpoint].last(where: { mayCarryTunnel($0) }) { return .shared(connection) }
    } else {
      if let connection = free(at: endpoint) { return .shared(connection) }
      // One that is being made, or has been just now, will carry this one too.
      let isComing = opening[endpoint] > 0 || shared[endpoint].contains { $0.awaitsSettings }
      if sharesConnections[endpoint], isComing, mayWait { return .none }
    }
    if let connection = takeIdle(at: endpoint) { return .idle(connection) }
    if open < backend.connectionLimit { return .room(endpoint: endpoint) }
    // At the bound, any idle connection is better than waiting.
    for other in idle.indices {
      if let connection = takeIdle(at: other) { return .idle(connection) }
    }
    for other in shared.indices {
      if let connection = forTunnel ? shared[other].last(where: { mayCarryTunnel($0) }) : free(at: other) { return .shared(connection) }
    }
    // Looking for one has closed some.
    return open < backend.connectionLimit ? .room(endpoint: endpoint) : .none
  }

  /// The newest shared connection that takes another request.
  private func free(at endpoint: Int) -> UpstreamConnection? {
    var index = shared[endpoint].count
    while index > 0 {
      index &-= 1
      if shared[endpoint][index].canShare { return shared[endpoint][index] }
    }
    return nil
  }

  private func mayCarryTunnel(_ connection: UpstreamConnection) -> Bool {
    guard let http2 = connection.http2, http2.canOpen else { return false }
    // Where nothing but HTTP/2 is spoken, a connection that takes no tunnel says so in its answer.
    return backend.protocols == .http2 || http2.session.peerTakesTunnels
  }

  private func choose() -> Int {
    let count = backend.endpoints.count
    guard count > 1 else { return 0 }
    next = next &+ 1 == count ? 0 : next &+ 1
    var best = next
    var bestScore = Int.max
    var step = 0
    while step < count {
      let index = (next &+ step) % count
      let resting = restUntil[index] > loop.now
      let load = backend.balance == .leastRequests ? active[index] : step
      let score = load &+ (resting ? 1 << 32 : 0)
      if score < bestScore {
        best = index
        bestScore = score
      }
      step &+= 1
    }
    return best
  }

  /// The newest idle connection whose backend has said nothing unasked.
  ///
  /// epoll is level-triggered: what a backend said while its connection was idle was told at the beginning of the turn, and has closed
  /// it, if its event was not behind the one that is being handled. So in a turn that has one event the first request needs no look of
  /// its own, which is all there is to say for a gateway that is not busy. A turn with much to do lasts for milliseconds, and a
  /// connection may have come back within it: there a look costs one system call.
  private func takeIdle(at endpoint: Int) -> UpstreamConnection? {
    guard !idle[endpoint].isEmpty else { return nil }
    let turn = loop.turnCount
    let wasTold = loop.eventCount <= 1 && counts.tookIn != turn
    counts.tookIn = turn
    while let connection = idle[endpoint].popLast() {
      // Whatever closes it from here on finds it among the busy ones.
      active[endpoint] &+= 1
      if wasTold && connection.parkedIn != turn || connection.isQuiet() { return connection }
    }
    return nil
  }

  // MARK: Giving

  /// Gives `client`, who is not in line, a connection that is counted as busy.
  private func hand(_ connection: UpstreamConnection, to client: UpstreamClient) {
    share.take(Self.wholeConnection, for: client.origin)
    connection.charge = Charge(origin: client.origin, amount: Self.wholeConnection)
    connection.activate(client)
    client.upstreamReady(.http1(connection), reused: connection.carried > 0)
  }

  /// Gives `client`, who is not in line, a stream of a shared connection.
  private func carry(_ client: UpstreamClient, on connection: UpstreamConnection) {
    guard let http2 = connection.http2 else { return client.upstreamFailed(UpstreamFailure(.reset, requestUnsent: true)) }
    active[connection.endpointIndex] &+= 1
    let charge = Charge(origin: client.origin, amount: max(1, Self.wholeConnection / max(1, http2.session.allowedStreams)))
    share.take(charge.amount, for: charge.origin)
    connection.carry(client, charge, on: http2)
  }

  /// What is no longer held.
  func give(_ charge: Charge) { if charge.amount > 0 { share.give(charge.amount, from: charge.origin) } }

  /// Takes a waiter out of the line: it is his turn.
  private func leave(_ waiter: Waiter?) -> UpstreamClient? {
    guard let waiter else { return nil }
    if case .started? = waiter.client.waiting {
      startedCount &-= 1
      share.give(Self.wholeConnection, from: waiter.client.origin)
      unclaim(waiter.attempt)
    } else {
      pendingCount &-= 1
      pendingCounts.remove(1, from: waiter.client.origin.address)
    }
    waiter.client.waiting = nil
    return waiter.client
  }

  /// The next in line for an HTTP/1.1 connection that is free: first those for whom one is being made.
  private func nextForConnection() -> UpstreamClient? {
    if let place = started.first(where: { _, _ in true }) { return leave(started.take(place)) }
    guard let place = pending.first(where: { origin, _ in share.mayTake(origin) }) else { return nil }
    return leave(pending.take(place))
  }

  /// Whoever is in line for `connection`, which takes more requests.
  private func serve(on connection: UpstreamConnection) {
    let tunnels = mayCarryTunnel(connection)
    while startedCount > 0, connection.isOpen, connection.canShare, let place = started.first(where: { _, isTunnel in tunnels || !isTunnel }) {
      if let client = leave(started.take(place)) { carry(client, on: connection) }
    }
    while pendingCount > 0, connection.isOpen, connection.canShare,
      let place = pending.first(where: { origin, isTunnel in (tunnels || !isTunnel) && share.mayTake(origin) })
    {
      if let client = leave(pending.take(place)) { carry(client, on: connection) }
    }
  }

  /// Something has become free: for those who wait, as far as it goes. Not before whatever ends has ended for all: who is served may
  /// do anything, also to those that are hearing of the end.
  private func serveAtTurnEnd() {
    guard pendingCount > 0, !servesAtTurnEnd else { return }
    servesAtTurnEnd = true
    loop.atTurnEnd { self.serve() }
  }

  private func serve() {
    servesAtTurnEnd = false
    while serveNext() {}
  }

  private func serveNext() -> Bool {
    guard let place = pending.first(where: { origin, _ in share.mayTake(origin) }), let waiter = pending.element(at: place) else {
      return false
    }
    if serve(place, waiter) { return true }
    // What there is may not be for the first in line, and for one who wants the other thing.
    let isTunnel = waiter.client.opensTunnel
    guard let place = pending.first(where: { origin, kind in kind != isTunnel && share.mayTake(origin) }),
      let waiter = pending.element(at: place)
    else { return false }
    return serve(place, waiter)
  }

  private func serve(_ place: FairLine<Waiter>.Place, _ waiter: Waiter) -> Bool {
    let found = find(forTunnel: waiter.client.opensTunnel, mayWait: true)
    if case .none = found { return false }
    guard let client = leave(pending.take(place)) else { return false }
    switch found {
    case .shared(let connection): carry(client, on: connection)
    case .idle(let connection): hand(connection, to: client)
    case .room(let endpoint): start(waiter, at: endpoint)
    case .none: break
    }
    return true
  }

  // MARK: Connecting

  /// Has a connection made for somebody who is not in line.
  private func start(_ waiter: Waiter, at endpoint: Int) {
    share.take(Self.wholeConnection, for: waiter.client.origin)
    startedCount &+= 1
    let place = started.append(waiter, of: waiter.client.origin, kind: waiter.client.opensTunnel)
    waiter.client.waiting = .started(place)
    if !waiter.client.opensTunnel, let attempt = unclaimed.popLast() {
      attempt.sponsor = place
      return started.update(place) { $0.attempt = attempt }
    }
    connect(for: place, waiter.client, first: endpoint, tries: backend.endpoints.count)
  }

  /// The connection goes on being made, for whoever wants one next: requests that come and go do not have one made each.
  private func unclaim(_ attempt: UpstreamConnection?) {
    guard let attempt else { return }
    attempt.sponsor = nil
    if attempt.isOpen, !attempt.wasOpened, !attempt.isForTunnel { unclaimed.append(attempt) }
  }

  /// Connects to `first`, or to the next endpoint that can be tried at all.
  private func connect(for place: FairLine<Waiter>.Place, _ client: UpstreamClient, first: Int, tries: Int) {
    var tried = 0
    attempts &+= 1
    while tried < tries {
      let index = (first &+ tried) % backend.endpoints.count
      tried &+= 1
      guard let address = backend.endpoints[index].address(attempt: attempts) else { continue }
      do {
        let connection = try UpstreamConnection.open(
          to: address, pool: self, endpointIndex: index, forTunnel: client.opensTunnel, triesLeft: tries - tried)
        open &+= 1
        counts.open &+= 1
        active[index] &+= 1
        // Nobody waits for a connection that will be one WebSocket's.
        if !connection.isForTunnel { opening[index] &+= 1 }
        connection.sponsor = place
        started.update(place) { $0.attempt = connection }
        return
      } catch {
        restUntil[index] = loop.now &+ Self.rest
      }
    }
    leave(started.take(place))?.upstreamFailed(UpstreamFailure(.connect, requestUnsent: true))
  }

  // MARK: For connections

  /// A connection is made, and speaks HTTP/1.1: for the next in line, or for the pool.
  func opened(_ connection: UpstreamConnection) {
    countAsOpened(connection)
    let sponsor = connection.sponsor
    connection.sponsor = nil
    if connection.isForTunnel, let sponsor, let client = leave(started.take(sponsor)) { return hand(connection, to: client) }
    // Who waited for it in order to share it needs one of his own: the backend speaks HTTP/1.1, now at least.
    if !connection.isForTunnel, sharesConnections[connection.endpointIndex] {
      sharesConnections[connection.endpointIndex] = false
      serveAtTurnEnd()
    }
    guard startedCount > 0, let place = started.first(where: { _, _ in true }), let waiter = started.element(at: place) else {
      return connection.park()
    }
    // One who is served by what was made for another leaves him what is being made for himself.
    if let sponsor, sponsor != place, let attempt = waiter.attempt, started.element(at: sponsor) != nil {
      started.update(place) { $0.attempt = nil }
      started.update(sponsor) { $0.attempt = attempt }
      attempt.sponsor = sponsor
    }
    if let client = leave(started.take(place)) { hand(connection, to: client) }
  }

  private func countAsOpened(_ connection: UpstreamConnection) {
    restUntil[connection.endpointIndex] = 0
    if !connection.isForTunnel { opening[connection.endpointIndex] &-= 1 }
    connection.wasOpened = true
    unclaimed.removeAll { $0 === connection }
  }

  /// A connection is made, and speaks HTTP/2.
  func becameShared(_ connection: UpstreamConnection) {
    countAsOpened(connection)
    // From here on its requests are counted one by one.
    active[connection.endpointIndex] &-= 1
    sharesConnections[connection.endpointIndex] = true
    counts.open &-= 1
    counts.shared &+= 1
    connection.isCountedAsShared = true
    if !isRetired { shared[connection.endpointIndex].append(connection) }
    let sponsor = connection.sponsor
    connection.sponsor = nil
    if let sponsor, let client = leave(started.take(sponsor)) { carry(client, on: connection) }
    if connection.isOpen { serve(on: connection) }
    // More wait than one connection carries: another is made for them.
    serveAtTurnEnd()
  }

  /// The connection takes no further requests.
  func noLongerShared(_ connection: UpstreamConnection) {
    shared[connection.endpointIndex].removeAll { $0 === connection }
  }

  /// A request on a shared connection is over: there is room for another.
  func streamEnded(_ connection: UpstreamConnection, _ charge: Charge) {
    active[connection.endpointIndex] &-= 1
    give(charge)
    if isAwaited { serveWaiting(on: connection) }
  }

  func serveWaiting(on connection: UpstreamConnection) {
    if connection.isOpen { serve(on: connection) }
    serveAtTurnEnd()
  }

  /// A connection that was being made is not to be. Not a byte has left, so that the next endpoint may be asked when TCP did not
  /// connect to this one; but only for somebody who still waits.
  func failedToOpen(_ connection: UpstreamConnection, _ failure: UpstreamFailure) {
    let endpoint = connection.endpointIndex
    if failure.kind == .connect { restUntil[endpoint] = loop.now &+ Self.rest }
    let sponsor = connection.sponsor
    connection.sponsor = nil
    connection.close()
    if let sponsor, let waiter = started.element(at: sponsor) {
      let waited = loop.now &- waiter.since
      started.update(sponsor) { $0.attempt = nil }
      if failure.kind == .connect, connection.triesLeft > 0 {
        connect(for: sponsor, waiter.client, first: (endpoint &+ 1) % backend.endpoints.count, tries: connection.triesLeft)
      } else if failure.kind == .connect, case .timeout? = failure.cause, waited < UInt64(backend.connectTimeout) {
        // The time was up for the connection, which was begun for another, and not for him.
        connect(for: sponsor, waiter.client, first: choose(), tries: backend.endpoints.count)
      } else {
        leave(started.take(sponsor))?.upstreamFailed(failure)
      }
    }
  }

  /// Whether another connection may read the rest of a response for nobody. At most half of them do: they are missing to others.
  var mayDrain: Bool { draining < backend.connectionLimit / 2 && !isRetired }

  /// Whether a connection that becomes free has its next request at once.
  var isAwaited: Bool { waitingRequests > 0 }

  /// A connection is free: for the first in line, or for the pool.
  func park(_ connection: UpstreamConnection) {
    give(connection.charge)
    connection.charge = .none
    if isAwaited, let client = nextForConnection() {
      hand(connection, to: client)
    } else {
      active[connection.endpointIndex] &-= 1
      idle[connection.endpointIndex].append(connection)
    }
    // Its client has more of its share, and others as well.
    serveAtTurnEnd()
  }

  func closed(_ connection: UpstreamConnection, wasIdle: Bool) {
    open &-= 1
    if connection.isCountedAsShared { counts.shared &-= 1 } else { counts.open &-= 1 }
    give(connection.charge)
    connection.charge = .none
    let endpoint = connection.endpointIndex
    if !connection.wasOpened, !connection.isForTunnel { opening[endpoint] &-= 1 }
    if !connection.wasOpened { unclaimed.removeAll { $0 === connection } }
    if connection.isCountedAsShared {
      // Its requests were counted one by one.
      noLongerShared(connection)
    } else if wasIdle, let index = idle[endpoint].firstIndex(where: { $0 === connection }) {
      idle[endpoint].remove(at: index)
    } else {
      active[endpoint] &-= 1
    }
    if let sponsor = connection.sponsor {
      // Closed with the whole loop: nobody makes him another.
      connection.sponsor = nil
      leave(started.take(sponsor))?.upstreamFailed(UpstreamFailure(.connect, requestUnsent: true))
    }
    // The place that became free is for the first in line, in a retired pool too: who waits there came before it was retired.
    // When connecting fails on the spot, the place is free for the next.
    serveAtTurnEnd()
  }
}
