import Reactor
import Upstream

extension WorkerContext {
  /// What is wrong with the worker's account of itself, if anything is: whatever a registry names must be open, alive and where it
  /// says it is, and what is counted must be there. For tests, between two turns of the loop.
  package var fault: String? {
    var clients: [DownstreamConnection] = []
    var backends: [UpstreamConnection] = []
    for channel in loop.channels() {
      if let connection = channel as? DownstreamConnection { clients.append(connection) }
      if let connection = channel as? UpstreamConnection { backends.append(connection) }
    }
    guard clients.count == openConnections else { return "\(openConnections) connections from clients are counted, \(clients.count) open" }
    if let fault = seatsFault(clients) { return fault }
    let exchanges = clients.flatMap(\.exchanges)
    guard exchanges.count == activeExchanges else { return "\(activeExchanges) exchanges are counted, \(exchanges.count) under way" }
    guard Set(exchanges.map(ObjectIdentifier.init)).count == exchanges.count else { return "an exchange serves two requests" }
    if exchanges.contains(where: { $0.client == nil || $0.isRecorded }) { return "an exchange that is over is still somebody's" }
    let gathered = exchanges.reduce(0) { $0 + $1.gatheredMemory }
    guard gatheredMemory.used == gathered else { return "\(gatheredMemory.used) bytes are counted as gathered, \(gathered) are" }
    let patient = clients.count { $0.state == .lingering && $0.lingering == .patient }
    guard lingering.held == patient else { return "\(lingering.held) connections are counted as lingering, \(patient) are" }
    return warm.fault(among: clients) ?? waitingFault(exchanges) ?? poolFault(backends)
      ?? clients.lazy.compactMap { $0.fault }.first
  }

  /// What each listener has counted are the connections that it has let in.
  private func seatsFault(_ clients: [DownstreamConnection]) -> String? {
    let byListener = Dictionary(grouping: clients) { ObjectIdentifier($0.seat.seats) }
    for connections in byListener.values {
      guard let seats = connections.first?.seat.seats, seats.room.open != connections.count else { continue }
      return "\(seats.room.open) connections of a listener are counted, \(connections.count) open"
    }
    for channel in loop.channels() {
      guard let listener = channel as? DownstreamListener, byListener[ObjectIdentifier(listener.seats)] == nil else { continue }
      if listener.seats.room.open != 0 { return "\(listener.seats.room.open) connections of a listener are counted, none is open" }
    }
    return nil
  }

  /// Those who wait for somebody's word.
  private func waitingFault(_ exchanges: [Exchange]) -> String? {
    let alive = Set(exchanges.map(ObjectIdentifier.init))
    for exchange in keyWaiting.everybody + introspectionWaiting.everybody + logouts.everybody
    where !alive.contains(ObjectIdentifier(exchange)) { return "somebody waits whose request is over" }
    return nil
  }

  private func poolFault(_ connections: [UpstreamConnection]) -> String? {
    var pools = snapshot.pools
    for connection in connections where !pools.contains(where: { $0 === connection.pool }) { pools.append(connection.pool) }
    for pool in pools {
      if let fault = pool.fault(among: connections.filter { $0.pool === pool }) { return "\(pool.backend.name): \(fault)" }
    }
    let shared = connections.count(where: \.isCountedAsShared)
    guard upstreamCounts.shared == shared, upstreamCounts.open == connections.count - shared else {
      return "\(upstreamCounts.open) + \(upstreamCounts.shared) connections to backends are counted, "
        + "\(connections.count - shared) + \(shared) open"
    }
    return nil
  }
}

extension WarmConnections {
  /// Each place is empty or has a connection that is open and knows its place; and nobody claims a place that is not theirs.
  func fault(among connections: [DownstreamConnection]) -> String? {
    var seated = 0
    for place in 0..<count {
      guard let slot = self[place] else { continue }
      seated += 1
      guard let connection = connections.first(where: { $0.slot == slot }), connection.warmPlace == place else {
        return "place \(place) is kept warm for a connection that is gone"
      }
    }
    let claims = connections.count { $0.warmPlace >= 0 }
    return claims == seated ? nil : "\(claims) connections believe themselves warm, \(seated) are"
  }
}
