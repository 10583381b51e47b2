import HTTP2
import Limits

/// What there is, and who gets it.
extension BackendPool {
  // MARK: What there is

  enum Found {
    case shared(UpstreamConnection)
    /// Out of the pool, and counted as busy.
    case idle(UpstreamConnection)
    /// A connection may be made.
    case room(endpoint: Int)
    case none
  }

  /// - Parameter mayWait: rather than have a connection made when a shared one is being made.
  func find(forTunnel: Bool, mayWait: Bool) -> Found {
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
    if room > 0 { return .room(endpoint: endpoint) }
    // At the bound, any idle connection is better than waiting.
    for other in idle.indices {
      if let connection = takeIdle(at: other) { return .idle(connection) }
    }
    for other in shared.indices {
      if let connection = forTunnel ? shared[other].last(where: { mayCarryTunnel($0) }) : free(at: other) { return .shared(connection) }
    }
    // Looking for one has closed some.
    return room > 0 ? .room(endpoint: endpoint) : .none
  }

  /// The newest shared connection that takes another request.
  private func free(at endpoint: Int) -> UpstreamConnection? {
    var index = shared[endpoint].count
    while index > 0 {
      index &-= 1
      let connection = shared[endpoint][index]
      if connection.canShare { return connection }
    }
    return nil
  }

  func mayCarryTunnel(_ connection: UpstreamConnection) -> Bool {
    guard let http2 = connection.http2, http2.canOpen else { return false }
    // Where nothing but HTTP/2 is spoken, a connection that takes no tunnel says so in its answer.
    return backend.protocols == .http2 || http2.session.peerTakesTunnels
  }

  func choose() -> Int {
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
  /// it, if its event is not still to be handled. So a connection that was idle then needs no look of its own for as long as that is
  /// fresh: what has come since is no more than what is on its way whenever one looks. A turn with much to do lasts longer, and a
  /// connection may have come back within it: there a look costs one system call.
  private func takeIdle(at endpoint: Int) -> UpstreamConnection? {
    guard !idle[endpoint].isEmpty else { return nil }
    if loop.isToldOfAll(), let place = placeOfSilent(at: endpoint) {
      active[endpoint] &+= 1
      return idle[endpoint].remove(at: place)
    }
    while let connection = idle[endpoint].popLast() {
      // Whatever closes it from here on finds it among the busy ones.
      active[endpoint] &+= 1
      if connection.isQuiet() { return connection }
    }
    return nil
  }

  /// Where the newest stands that was idle when the turn began, and of which there was nothing to tell.
  private func placeOfSilent(at endpoint: Int) -> Int? {
    let turn = loop.turnCount
    var place = idle[endpoint].count
    let last = max(0, place &- Self.lookedAt)
    while place > last {
      place &-= 1
      let connection = idle[endpoint][place]
      if connection.parkedIn != turn, let slot = connection.slot, !loop.isToHear(slot) { return place }
    }
    return nil
  }

  // MARK: Who gets it

  /// Whether `origin` may have something more: less than its share of the connections is with it, and of their windows. As much as one
  /// window anybody may hold.
  func mayTake(_ origin: ClientOrigin) -> Bool {
    guard share.mayTake(origin) else { return false }
    if windows.held < Self.wholeWindow || windows.amount(of: origin.address) < Self.wholeWindow { return true }
    return windows.mayTake(origin)
  }

  /// A connection's window, as far as it has to be held for the connection to take no further request.
  private static var wholeWindow: Int { UpstreamSession.windows.connection - WindowOffer.frame }

  /// So many bytes do not wait for their client any more.
  func giveWindow(_ count: Int, from origin: ClientOrigin) {
    windows.give(count, from: origin)
    // Who has held too much may have a turn again.
    serveAtTurnEnd()
  }

  /// Gives `client`, who is not in line, a connection that is counted as busy.
  func hand(_ connection: UpstreamConnection, to client: UpstreamClient) {
    share.take(Self.wholeConnection, for: client.origin)
    connection.charge = Charge(origin: client.origin, amount: Self.wholeConnection)
    connection.activate(client)
    client.upstreamReady(.http1(connection), reused: connection.carried > 0)
  }

  /// Gives `client`, who is not in line, a stream of a shared connection.
  func carry(_ client: UpstreamClient, on connection: UpstreamConnection) {
    guard let http2 = connection.http2 else { return client.upstreamFailed(UpstreamFailure(.reset, requestUnsent: true)) }
    active[connection.endpointIndex] &+= 1
    let charge = Charge(origin: client.origin, amount: max(1, Self.wholeConnection / max(1, http2.session.allowedStreams)))
    share.take(charge.amount, for: charge.origin)
    connection.carry(client, charge, on: http2)
  }

  /// What is no longer held.
  func give(_ charge: Charge) { if charge.amount > 0 { share.give(charge.amount, from: charge.origin) } }

  /// Takes a waiter out of the line: it is his turn, unless `end` says otherwise.
  func leave(_ waiter: Waiter?, _ end: UpstreamClient.WaitEnd = .served) -> UpstreamClient? {
    guard let waiter else { return nil }
    let client = waiter.client
    if case .started? = client.waiting {
      startedCount &-= 1
      share.give(Self.wholeConnection, from: client.origin)
      unclaim(waiter.attempt)
      client.waiting = nil
    } else {
      pendingCount &-= 1
      pendingCounts.remove(1, from: client.origin.address)
      client.waiting = nil
      client.upstreamDequeued(end)
    }
    return client
  }

  /// The next in line for an HTTP/1.1 connection that is free: first those for whom one is being made.
  func nextForConnection() -> UpstreamClient? {
    if let place = started.first(where: { _, _ in true }) { return leave(started.take(place)) }
    guard let place = pending.first(where: { origin, _ in mayTake(origin) }) else { return nil }
    return leave(pending.take(place))
  }

  /// Whoever is in line for `connection`, which takes more requests. Who is served may be over at once, and with it his stream: nobody
  /// is served within that, whoever is being served goes on with the next.
  func serve(on connection: UpstreamConnection) {
    guard !isServing else { return }
    isServing = true
    defer { isServing = false }
    let tunnels = mayCarryTunnel(connection)
    while startedCount > 0, connection.isOpen, connection.canShare, let place = started.first(where: { _, isTunnel in tunnels || !isTunnel }) {
      if let client = leave(started.take(place)) { carry(client, on: connection) }
    }
    while pendingCount > 0, connection.isOpen, connection.canShare,
      let place = pending.first(where: { origin, isTunnel in (tunnels || !isTunnel) && mayTake(origin) })
    {
      if let client = leave(pending.take(place)) { carry(client, on: connection) }
    }
  }

  /// Something has become free: for those who wait, as far as it goes. Not before whatever ends has ended for all: who is served may
  /// do anything, also to those that are hearing of the end.
  func serveAtTurnEnd() {
    guard pendingCount > 0, !servesAtTurnEnd, !isRetired else { return }
    servesAtTurnEnd = true
    loop.atTurnEnd { self.serve() }
  }

  private func serve() {
    servesAtTurnEnd = false
    isServing = true
    defer { isServing = false }
    while !isRetired, serveNext() {}
  }

  private func serveNext() -> Bool {
    guard let place = pending.first(where: { origin, _ in mayTake(origin) }), let waiter = pending.element(at: place) else {
      return false
    }
    if serve(place, waiter) { return true }
    // What there is may not be for the first in line, and for one who wants the other thing.
    let isTunnel = waiter.client.opensTunnel
    guard let place = pending.first(where: { origin, kind in kind != isTunnel && mayTake(origin) }),
      let waiter = pending.element(at: place)
    else { return false }
    return serve(place, waiter)
  }

  private func serve(_ place: ClientLine<Waiter>.Place, _ waiter: Waiter) -> Bool {
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
}
