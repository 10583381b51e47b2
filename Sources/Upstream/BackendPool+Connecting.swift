import Limits

/// Making connections, and what they say of themselves: made, free, failed, closed.
extension BackendPool {
  // MARK: Connecting

  /// Has a connection made for somebody who is not in line.
  func start(_ waiter: Waiter, at endpoint: Int) {
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
  func unclaim(_ attempt: UpstreamConnection?) {
    guard let attempt else { return }
    attempt.sponsor = nil
    if attempt.isOpen, !attempt.wasOpened, !attempt.isForTunnel { unclaimed.append(attempt) }
  }

  /// Connects to `first`, or to the next endpoint that can be tried at all.
  private func connect(for place: ClientLine<Waiter>.Place, _ client: UpstreamClient, first: Int, tries: Int) {
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
    shared[connection.endpointIndex].append(connection)
    let sponsor = connection.sponsor
    connection.sponsor = nil
    if let sponsor, let client = leave(started.take(sponsor)) { carry(client, on: connection) }
    if connection.isOpen { serve(on: connection) }
    // More wait than one connection carries: another is made for them.
    serveAtTurnEnd()
  }

  /// The connection takes no further requests: another may take its place.
  func noLongerShared(_ connection: UpstreamConnection) {
    shared[connection.endpointIndex].removeAll { $0 === connection }
    guard connection.isOpen, !connection.isLeaving else { return }
    connection.isLeaving = true
    leaving &+= 1
    divide()
    serveAtTurnEnd()
  }

  /// Whether another may take the place of one on which too much was given up.
  var mayReplace: Bool { leaving < connectionLimit && !isRetired }

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
  var mayDrain: Bool { draining < connectionLimit / 2 && !isRetired }

  /// Whether a connection that becomes free has its next request at once.
  var isAwaited: Bool { waitingRequests > 0 && !isRetired }

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
      shared[endpoint].removeAll { $0 === connection }
      if connection.isLeaving {
        connection.isLeaving = false
        leaving &-= 1
        divide()
      }
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
    // The place that became free is for the first in line.
    // When connecting fails on the spot, the place is free for the next.
    serveAtTurnEnd()
  }
}
