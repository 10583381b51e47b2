import Bytes
import HTTP2
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
/// falls. When all the connections allowed are busy, requests wait in line, and beyond `pendingLimit` they are refused.
package final class BackendPool {
  package let loop: EventLoop
  package let buffers: BufferPool
  package private(set) var backend: Backend
  /// No new requests: the backend is gone from the configuration, or its trust has changed.
  package private(set) var isRetired = false

  private var idle: [[UpstreamConnection]]
  /// Connections that carry many requests at once (HTTP/2), per endpoint.
  private var shared: [[UpstreamConnection]]
  /// Whether the endpoint's last connection spoke HTTP/2, so that waiting for one that is being made is worth it.
  private var sharesConnections: [Bool]
  /// Connections being made, per endpoint.
  private var opening: [Int]
  /// Streams of HTTP/2 connections to this backend.
  let streams: HTTP2StreamPool
  /// Requests being carried, per endpoint.
  private var active: [Int]
  /// Until when (ms of the loop's clock) an endpoint that refused a connection is passed over.
  private var restUntil: [UInt64]
  private var open = 0
  private let counts: ConnectionCounts
  private var next = 0
  private var attempts = 0
  private var waiting: [UpstreamClient] = []
  /// Connections that read the rest of a response whose client has gone.
  var draining = 0
  /// Places have become free in this turn: who waits gets them at its end.
  private var servesAtTurnEnd = false

  /// Milliseconds an endpoint rests after a failed connect, while others can be had.
  private static let rest: UInt64 = 2_000

  package init(loop: EventLoop, backend: Backend, buffers: BufferPool, counts: ConnectionCounts) {
    self.loop = loop
    self.counts = counts
    self.backend = backend
    self.buffers = buffers
    idle = Array(repeating: [], count: backend.endpoints.count)
    shared = Array(repeating: [], count: backend.endpoints.count)
    sharesConnections = Array(repeating: backend.protocols == .http2, count: backend.endpoints.count)
    opening = Array(repeating: 0, count: backend.endpoints.count)
    streams = HTTP2StreamPool(client: 128, buffers: buffers)
    active = Array(repeating: 0, count: backend.endpoints.count)
    restUntil = Array(repeating: 0, count: backend.endpoints.count)
    for index in idle.indices { idle[index].reserveCapacity(64) }
  }

  /// Whether requests may share a connection: the backend may speak HTTP/2.
  package var mayShare: Bool { backend.protocols != .http1 }
  package var openConnections: Int { open }
  package var idleConnections: Int { idle.reduce(0) { $0 + $1.count } }

  /// Gets `client` a connection. Its `upstreamReady` or `upstreamFailed` is called, perhaps before this returns.
  package func acquire(for client: UpstreamClient) {
    let endpoint = choose()
    if client.opensTunnel { return acquireTunnel(for: client, at: endpoint) }
    if let connection = free(at: endpoint) { return share(connection, with: client) }
    if sharesConnections[endpoint], opening[endpoint] > 0, waiting.count < backend.pendingLimit { return waiting.append(client) }
    if let connection = takeIdle(at: endpoint) { return hand(connection, to: client) }
    if hasPlace { return connect(client, first: endpoint, tries: backend.endpoints.count) }
    // At the bound, any idle connection is better than waiting.
    for other in idle.indices {
      if let connection = takeIdle(at: other) { return hand(connection, to: client) }
    }
    for other in shared.indices {
      if let connection = free(at: other) { return share(connection, with: client) }
    }
    // Looking for one has closed some.
    if hasPlace { return connect(client, first: endpoint, tries: backend.endpoints.count) }
    line(up: client)
  }

  /// Whether another connection may be made for whoever asks now. Places that have become free are for those in line.
  private var hasPlace: Bool { open < backend.connectionLimit && !servesAtTurnEnd }

  private func line(up client: UpstreamClient) {
    let promised = servesAtTurnEnd ? max(0, backend.connectionLimit &- open) : 0
    guard waiting.count &- promised < backend.pendingLimit else {
      return client.upstreamFailed(UpstreamFailure(.overloaded, requestUnsent: true))
    }
    waiting.append(client)
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

  /// A WebSocket goes over a shared connection whose backend takes extended CONNECT, or has an HTTP/1.1 connection to itself.
  private func acquireTunnel(for client: UpstreamClient, at endpoint: Int) {
    if let connection = shared[endpoint].last(where: { mayCarryTunnel($0) }) { return share(connection, with: client) }
    if let connection = takeIdle(at: endpoint) { return hand(connection, to: client) }
    if hasPlace { return connect(client, first: endpoint, tries: backend.endpoints.count) }
    line(up: client)
  }

  private func mayCarryTunnel(_ connection: UpstreamConnection) -> Bool {
    guard let http2 = connection.http2, http2.canOpen else { return false }
    // Where nothing but HTTP/2 is spoken, a connection that takes no tunnel says so in its answer.
    return backend.protocols == .http2 || http2.session.peerTakesTunnels
  }

  /// Takes `client` out of the line, if it stands in it.
  package func forget(_ client: UpstreamClient) {
    if let index = waiting.firstIndex(where: { $0 === client }) { waiting.remove(at: index) }
  }

  /// The same backend in a newer snapshot: endpoints, trust and identities are equal, limits and time-outs may not be.
  package func adopt(_ backend: Backend) {
    precondition(backend.poolKey == self.backend.poolKey)
    self.backend = backend
  }

  /// Takes no new requests: idle connections close now, busy ones when their request is over.
  package func retire() {
    isRetired = true
    for connection in idle.flatMap({ $0 }) { connection.shutDown() }
    for connection in shared.flatMap({ $0 }) where connection.http2?.isEmpty == true { connection.shutDown() }
    for index in shared.indices { shared[index] = [] }
  }

  // MARK: Balancing

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

  /// Gives `client` a connection that is counted as busy.
  private func hand(_ connection: UpstreamConnection, to client: UpstreamClient) {
    connection.activate(client)
    client.upstreamReady(.http1(connection), reused: connection.carried > 0)
  }

  private func share(_ connection: UpstreamConnection, with client: UpstreamClient) {
    active[connection.endpointIndex] &+= 1
    connection.carry(client, reused: true)
  }

  /// A connection turned out to speak HTTP/2; its first request is on its way, counted when it was opened.
  func becameShared(_ connection: UpstreamConnection) {
    sharesConnections[connection.endpointIndex] = true
    counts.open &-= 1
    counts.shared &+= 1
    connection.isCountedAsShared = true
    shared[connection.endpointIndex].append(connection)
    serveWaiting(on: connection)
    // More wait than one connection carries: another is made for them.
    if !waiting.isEmpty, connection.isOpen, opening[connection.endpointIndex] == 0, open < backend.connectionLimit {
      connect(waiting.removeFirst(), first: connection.endpointIndex, tries: backend.endpoints.count)
    }
  }

  /// The connection takes no further requests.
  func noLongerShared(_ connection: UpstreamConnection) {
    shared[connection.endpointIndex].removeAll { $0 === connection }
  }

  /// A request on a shared connection is over: there is room for another.
  func streamEnded(_ connection: UpstreamConnection) {
    active[connection.endpointIndex] &-= 1
    if connection.isOpen { serveWaiting(on: connection) }
  }

  func serveWaiting(on connection: UpstreamConnection) {
    while !waiting.isEmpty, connection.isOpen, connection.canShare,
      let index = waiting.firstIndex(where: { !$0.opensTunnel || mayCarryTunnel(connection) })
    {
      share(connection, with: waiting.remove(at: index))
    }
  }

  /// Connects to `first`, or to the next endpoint that can be tried at all.
  private func connect(_ client: UpstreamClient, first: Int, tries: Int) {
    var tried = 0
    attempts &+= 1
    while tried < tries {
      let index = (first &+ tried) % backend.endpoints.count
      tried &+= 1
      guard let address = backend.endpoints[index].address(attempt: attempts) else { continue }
      do {
        let connection = try UpstreamConnection.open(
          to: address, pool: self, endpointIndex: index, client: client, triesLeft: tries - tried)
        open &+= 1
        counts.open &+= 1
        active[index] &+= 1
        // Nobody waits for a connection that will be one WebSocket's.
        if !connection.isForTunnel { opening[index] &+= 1 }
        client.upstreamOpening(.http1(connection))
        return
      } catch {
        restUntil[index] = loop.now &+ Self.rest
      }
    }
    client.upstreamFailed(UpstreamFailure(.connect, requestUnsent: true))
  }

  // MARK: For connections

  func opened(_ connection: UpstreamConnection) {
    restUntil[connection.endpointIndex] = 0
    if !connection.isForTunnel { opening[connection.endpointIndex] &-= 1 }
    connection.wasOpened = true
  }

  func connectFailed(_ endpoint: Int) {
    restUntil[endpoint] = loop.now &+ Self.rest
  }

  /// No TCP connection to an endpoint: not a byte has left, so the next one may be asked in its place.
  func tryNext(_ client: UpstreamClient, after endpoint: Int, tries: Int) {
    connect(client, first: (endpoint &+ 1) % backend.endpoints.count, tries: tries)
  }

  /// Whether another connection may read the rest of a response for nobody. At most half of them do: they are missing to others.
  var mayDrain: Bool { draining < backend.connectionLimit / 2 && !isRetired }

  /// Whether a connection that becomes free has its next request at once.
  var isAwaited: Bool { !waiting.isEmpty }

  /// A connection is free: for the first in line, or for the pool.
  func park(_ connection: UpstreamConnection) {
    if !waiting.isEmpty {
      hand(connection, to: waiting.removeFirst())
    } else {
      active[connection.endpointIndex] &-= 1
      idle[connection.endpointIndex].append(connection)
    }
  }

  func closed(_ connection: UpstreamConnection, wasIdle: Bool) {
    open &-= 1
    if connection.isCountedAsShared { counts.shared &-= 1 } else { counts.open &-= 1 }
    let endpoint = connection.endpointIndex
    if !connection.wasOpened, !connection.isForTunnel { opening[endpoint] &-= 1 }
    if connection.http2 != nil {
      // Its requests were counted one by one.
      noLongerShared(connection)
    } else if wasIdle, let index = idle[endpoint].firstIndex(where: { $0 === connection }) {
      idle[endpoint].remove(at: index)
    } else {
      active[endpoint] &-= 1
    }
    // The place that became free is for the first in line, in a retired pool too: who waits there came before it was retired. Not
    // before the connection is closed for all: who is served may do anything, also to those that are hearing of its end.
    guard !waiting.isEmpty, !servesAtTurnEnd else { return }
    servesAtTurnEnd = true
    loop.atTurnEnd { self.fillPlaces() }
  }

  private func fillPlaces() {
    servesAtTurnEnd = false
    // When connecting fails on the spot, the place is free for the next.
    while !waiting.isEmpty, open < backend.connectionLimit {
      connect(waiting.removeFirst(), first: choose(), tries: backend.endpoints.count)
    }
  }
}

extension BackendPool {
  /// What is wrong with the pool's account of `connections`, which are all that are open, if anything is. For tests, between two
  /// turns of the loop.
  package func fault(among connections: [UpstreamConnection]) -> String? {
    guard connections.count == open else { return "\(open) connections are counted, \(connections.count) open" }
    if waiting.contains(where: { waiter in connections.contains { $0.client === waiter } }) { return "somebody who is served waits" }
    for endpoint in backend.endpoints.indices {
      let own = connections.filter { $0.endpointIndex == endpoint }
      let parked = own.filter { $0.state == .idle }
      guard parked.count == idle[endpoint].count, idle[endpoint].allSatisfy({ kept in parked.contains { $0 === kept } }) else {
        return "\(idle[endpoint].count) connections are kept, \(parked.count) idle"
      }
      if parked.contains(where: { $0.client != nil }) { return "an idle connection serves somebody" }
      if let lost = shared[endpoint].first(where: { kept in !own.contains { $0 === kept && $0.state == .shared } }) {
        return "a connection is shared that is \(lost.isOpen ? "not" : "closed")"
      }
      let making = own.count { !$0.wasOpened && !$0.isForTunnel }
      guard opening[endpoint] == making else { return "\(opening[endpoint]) connections are counted as being made, \(making) are" }
      let requests = own.reduce(0) { $0 + ($1.http2?.streamCount ?? ($1.state == .idle ? 0 : 1)) }
      if let fault = own.lazy.compactMap({ $0.http2?.fault }).first { return fault }
      guard active[endpoint] == requests else { return "\(active[endpoint]) requests are counted, \(requests) under way" }
    }
    return nil
  }
}
