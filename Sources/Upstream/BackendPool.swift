import Bytes
import Reactor

/// Connections to backends that one worker has open, all pools together.
package final class ConnectionCounts {
  package fileprivate(set) var open = 0
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
  /// Requests being carried, per endpoint.
  private var active: [Int]
  /// Until when (ms of the loop's clock) an endpoint that refused a connection is passed over.
  private var restUntil: [UInt64]
  private var open = 0
  private let counts: ConnectionCounts
  private var next = 0
  private var attempts = 0
  private var waiting: [UpstreamClient] = []

  /// Milliseconds an endpoint rests after a failed connect, while others can be had.
  private static let rest: UInt64 = 2_000

  package init(loop: EventLoop, backend: Backend, buffers: BufferPool, counts: ConnectionCounts) {
    self.loop = loop
    self.counts = counts
    self.backend = backend
    self.buffers = buffers
    idle = Array(repeating: [], count: backend.endpoints.count)
    active = Array(repeating: 0, count: backend.endpoints.count)
    restUntil = Array(repeating: 0, count: backend.endpoints.count)
    for index in idle.indices { idle[index].reserveCapacity(64) }
  }

  package var openConnections: Int { open }
  package var idleConnections: Int { idle.reduce(0) { $0 + $1.count } }

  /// Gets `client` a connection. Its `upstreamReady` or `upstreamFailed` is called, perhaps before this returns.
  package func acquire(for client: UpstreamClient) {
    let endpoint = choose()
    if let connection = idle[endpoint].popLast() { return hand(connection, to: client) }
    if open < backend.connectionLimit { return connect(client, first: endpoint, tries: backend.endpoints.count) }
    // At the bound, any idle connection is better than waiting.
    if let other = idle.indices.first(where: { !idle[$0].isEmpty }), let connection = idle[other].popLast() {
      return hand(connection, to: client)
    }
    guard waiting.count < backend.pendingLimit else {
      return client.upstreamFailed(UpstreamFailure(.overloaded, requestUnsent: true))
    }
    waiting.append(client)
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

  private func hand(_ connection: UpstreamConnection, to client: UpstreamClient) {
    active[connection.endpointIndex] &+= 1
    connection.activate(client)
    client.upstreamReady(connection, reused: connection.carried > 0)
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
        client.upstreamOpening(connection)
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
  }

  func connectFailed(_ endpoint: Int) {
    restUntil[endpoint] = loop.now &+ Self.rest
  }

  /// No TCP connection to an endpoint: not a byte has left, so the next one may be asked in its place.
  func tryNext(_ client: UpstreamClient, after endpoint: Int, tries: Int) {
    connect(client, first: (endpoint &+ 1) % backend.endpoints.count, tries: tries)
  }

  /// A connection is free: for the first in line, or for the pool.
  func park(_ connection: UpstreamConnection) {
    active[connection.endpointIndex] &-= 1
    if !waiting.isEmpty {
      hand(connection, to: waiting.removeFirst())
    } else {
      idle[connection.endpointIndex].append(connection)
    }
  }

  func closed(_ connection: UpstreamConnection, wasIdle: Bool, wasOpening: Bool) {
    open &-= 1
    counts.open &-= 1
    let endpoint = connection.endpointIndex
    if wasIdle, let index = idle[endpoint].firstIndex(where: { $0 === connection }) {
      idle[endpoint].remove(at: index)
    } else {
      active[endpoint] &-= 1
    }
    // The place that became free is for the first in line, in a retired pool too: who waits there came before it was retired.
    // When connecting fails on the spot, the place is free for the next.
    while !waiting.isEmpty, open < backend.connectionLimit {
      connect(waiting.removeFirst(), first: choose(), tries: backend.endpoints.count)
    }
  }
}
