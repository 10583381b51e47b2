import Limits

/// What a client has of the backend, until it is given back.
struct Charge {
  let origin: ClientOrigin
  let amount: Int

  static let none = Charge(origin: .unknown, amount: 0)
}

extension BackendPool {
  /// What is wrong with the pool's account of `connections`, which are all that are open, if anything is. For tests, between two
  /// turns of the loop.
  package func fault(among connections: [UpstreamConnection]) -> String? {
    guard connections.count == open else { return "\(open) connections are counted, \(connections.count) open" }
    let waiters = started.all + pending.all
    guard startedCount == started.count, pendingCount == pending.count else { return "\(waitingRequests) are counted, \(waiters.count) wait" }
    // In the turn in which places become free, as many more may come as there are places.
    let bound = max(pendingLimit &+ connectionLimit, pendingAtReload)
    guard pendingCount <= bound else { return "\(pendingCount) wait in line, \(bound) may" }
    if waiters.contains(where: { waiter in connections.contains { $0.client === waiter.element.client } }) {
      return "somebody who is served waits"
    }
    if let lost = waiters.first(where: { $0.element.client.waiting == nil }) { return "\(lost.origin) waits and does not know" }
    if unclaimed.contains(where: { $0.wasOpened || !$0.isOpen || $0.sponsor != nil }) { return "a connection is not being made for nobody" }
    let outOfService = connections.count(where: \.isLeaving)
    guard leaving == outOfService else { return "\(leaving) are counted as leaving, \(outOfService) are" }
    if let kept = shared.joined().first(where: \.isLeaving) { return "a connection of endpoint \(kept.endpointIndex) is leaving and shared" }
    if let fault = faultOfAccounts(among: connections) { return fault }
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

  /// What each client has is what its requests have.
  private func faultOfAccounts(among connections: [UpstreamConnection]) -> String? {
    var charges = connections.map(\.charge) + connections.flatMap { $0.http2?.charges ?? [] }
    for (origin, waiter) in started.all {
      guard let attempt = waiter.attempt, connections.contains(where: { $0 === attempt }) else { return "nothing is made for \(origin)" }
      charges.append(Charge(origin: origin, amount: Self.wholeConnection))
    }
    guard left >= 0, (left == 0) == (leftCharge == 0) else { return "\(left) bytes are left behind, for which \(leftCharge) are held" }
    let counted = charges.reduce(leftCharge) { $0 + $1.amount }
    guard share.held == counted else { return "\(share.held) are counted, \(counted) held" }
    // Whose the answers are that stay behind, they alone know.
    if left > 0 { return nil }
    if let fault = fault(of: share, charges) { return "connections: \(fault)" }
    if let fault = fault(of: windows, connections.flatMap { $0.http2?.held ?? [] }) { return "windows: \(fault)" }
    for (origin, own) in Dictionary(grouping: pending.all, by: \.origin.address) {
      guard pendingCounts.amount(of: origin) == own.count else { return "\(pendingCounts.amount(of: origin)) of \(own.count) in line are counted" }
    }
    guard pendingCounts.total == pending.count else { return "\(pendingCounts.total) are counted in line, \(pending.count) stand there" }
    if let idle = connections.first(where: { $0.state == .idle && $0.charge.amount > 0 }) { return "\(idle.charge.origin) has an idle connection" }
    return nil
  }

  private func fault(of share: borrowing ClientShares, _ charges: [Charge]) -> String? {
    let total = charges.reduce(0) { $0 + $1.amount }
    guard share.held == total else { return "\(share.held) are counted, \(total) held" }
    for origin in Set(charges.map(\.origin)) {
      let own = charges.reduce(0) { $0 + ($1.origin.address == origin.address ? $1.amount : 0) }
      guard share.amount(of: origin.address) == own else { return "\(share.amount(of: origin.address)) are counted for one who has \(own)" }
      guard origin.connection != 0 else { continue }
      let here = charges.reduce(0) { $0 + ($1.origin == origin ? $1.amount : 0) }
      guard share.amount(ofConnection: origin) == here else { return "\(share.amount(ofConnection: origin)) are counted for a connection with \(here)" }
    }
    return nil
  }
}
