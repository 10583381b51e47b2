import Yams

/// Values that are right by themselves and make no sense together: one of them has no effect, or another effect than it seems.
///
/// Only what somebody has written is doubted, never a default beside a default. Asked when everything is decoded and nothing is wrong, so
/// that a list's rows and settings have the same indexes.
package struct DoubtfulPairs {
  /// Bytes a second that a client on a usual line sends at least: 2 Mbit/s. Whoever is slower may be cut off by `total` without a warning.
  static let usualRate = 256 << 10
  /// A `drain` cannot be longer.
  private static let longestDrain = 3_600_000

  /// How many workers there will be.
  package enum Workers: Sendable {
    /// As many as `workers` says, or these cores for `workers: 0`.
    case written(processors: Int)
    /// As many as run: what `workers` says takes effect with a restart.
    case running(Int)
  }

  let configuration: GatewayConfiguration
  let sections: [String: Cursor]
  let rows: [String: [Cursor]]
  let workers: Workers
  let collector: DiagnosticCollector

  func check() {
    checkClientAuthorities()
    checkConnectionsPerClient()
    checkTokensFitIntoHeads()
    checkClientShares()
    checkWindows()
    checkBackendTimeouts()
    checkDrain()
    checkContent()
    checkMatching()
    checkIssuers()
    checkCertificatesAreAskedFor()
  }

  // MARK: - Listeners

  /// Listeners that serve routes.
  var serving: [ListenerSettings] {
    configuration.listeners.filter {
      if case .plaintext(.redirect) = $0.security { return false }
      return !$0.servesJWKS && !$0.servesLogout
    }
  }

  private func checkClientAuthorities() {
    for row in rows["listeners"] ?? [] {
      guard let authority = row.value(at: "tls", "client_ca"), row.value(at: "tls", "client_auth") == nil else { continue }
      authority.warn(
        "nobody is asked for a certificate, since `client_auth` is not written: write `client_auth: required` or `optional`, or `none` if "
          + "this is meant")
    }
  }

  private func checkConnectionsPerClient() {
    for (row, listener) in zip(rows["listeners"] ?? [], configuration.listeners) {
      let (each, part) = (listener.limits.connectionsPerClient, share(listener.limits.connections))
      guard each > 0, each >= part else { continue }
      row.value(at: "limits", "connections_per_client")?.warn(
        "one client may have every connection: each worker has \(part) of `connections`. Write less than \(part), or more "
          + "`connections`")
    }
  }

  private func checkTokensFitIntoHeads() {
    guard let most = serving.map(\.limits.headerBytes).max() else { return }
    for (row, provider) in zip(rows["identity_providers"] ?? [], configuration.identityProviders)
    where provider.maximumTokenBytes >= most {
      row.value(at: "maximum_token_bytes")?.warn(
        "a request with such a token is refused before, since no listener takes a head of more than \(Quantity.describe(bytes: most)): "
          + "write more in `header_bytes` of a listener, or less here")
    }
  }

  // MARK: - Backends

  private func checkClientShares() {
    for (row, backend) in zip(rows["backends"] ?? [], configuration.backends) where backend.protocols != .http2 {
      let part = share(backend.limits.connections)
      guard part > 1, part * backend.limits.clientShare <= 100 else { continue }
      row.value(at: "limits", "client_share")?.warn(
        "a client has one connection at a time, since each worker has \(part) of `connections`: write \(100 / part + 1)% or more, or more "
          + "`connections`")
    }
  }

  /// Requests on one HTTP/2 connection share its window (RFC 9113 section 5.2.1), and no share can be had of one.
  private func checkWindows() {
    for (row, backend) in zip(rows["backends"] ?? [], configuration.backends)
    where backend.protocols == .http2 && share(backend.limits.connections) == 1 {
      row.value(at: "limits", "connections")?.warn(
        "one client that does not take its answers can have all others of a worker wait, since a worker has one connection, whose window "
          + "they share: write \(2 * workerCount) or more\(workerCount > 1 ? ", or fewer `workers`" : "")")
    }
  }

  /// What was made longer for a backend changes nothing while every route to it ends the exchange before.
  private func checkBackendTimeouts() {
    var longest: [Int: Int] = [:]
    for route in configuration.routes {
      for choice in route.backends { longest[choice.backend] = max(longest[choice.backend] ?? 0, route.timeout ?? .max) }
    }
    let usual = BackendTimeouts()
    for (index, (row, backend)) in zip(rows["backends"] ?? [], configuration.backends).enumerated() {
      guard let longest = longest[index] else { continue }
      let times = backend.timeouts
      for (key, time, usual) in [
        ("connect", times.connect, usual.connect), ("response", times.response, usual.response), ("idle", times.idle, usual.idle),
      ] where time > longest && time != usual {
        row.value(at: "timeouts", key)?.warn(
          "no route to `\(backend.name.value)` waits so long: the longest `timeout` is \(Quantity.describe(milliseconds: longest)). Write "
            + "a longer one there, or no more here")
      }
    }
  }

  // MARK: - Requests in flight

  /// A route that may take longer than any `drain` is cut off by it in any case.
  private func checkDrain() {
    let drain = configuration.process.drain
    guard drain > 0 else { return }
    let pairs = zip(rows["routes"] ?? [], configuration.routes).filter { ($0.1.timeout ?? .max) <= Self.longestDrain }
    guard let (row, route) = pairs.max(by: { ($0.1.timeout ?? 0) < ($1.1.timeout ?? 0) }),
      let timeout = route.timeout, timeout > drain
    else { return }
    let (time, end) = (Quantity.describe(milliseconds: timeout), Quantity.describe(milliseconds: drain))
    if let place = sections["process"]?.value(at: "drain") {
      place.warn(
        "a restart cuts off requests of the route `\(route.name.value)`, whose `timeout` is \(time): write `drain: \(time)`, or a shorter "
          + "`timeout`")
    } else {
      row.value(at: "timeout")?.warn(
        "a restart cuts off what takes longer than `drain` of `process`, \(end) unless written: write `drain: \(time)` there, or a shorter "
          + "`timeout`")
    }
  }

  // MARK: - Content

  private func checkContent() {
    let listeners = Dictionary(serving.map { ($0.timeouts.bodyTotal, $0.timeouts.bodyRate) }, uniquingKeysWith: max)
    for (row, route) in zip(rows["routes"] ?? [], configuration.routes) {
      guard let bound = route.bodyMaximum, let maximum = Int(exactly: bound) else { continue }
      if route.bodyGather > maximum {
        row.value(at: "body", "gather")?.warn(
          "more is gathered than the `maximum` lets in: write \(Quantity.describe(bytes: maximum)) or less, or a larger "
            + "`maximum`")
      }
      if !isForGRPC(route) { checkTime(of: maximum, route, row, listeners) }
    }
  }

  /// gRPC towards a backend that may speak HTTP/2 has no bound of time. What a route is for can be told by a backend that speaks nothing
  /// else, by a content type that is asked for, and by the name of a service, which has its package before it. The bounds hold for what
  /// else comes to such a route; to warn of what is right would be worse than to keep silent of that.
  private func isForGRPC(_ route: RouteSettings) -> Bool {
    let protocols = route.backends.map { configuration.backends[$0.backend].protocols }
    if protocols.allSatisfy({ $0 == .http2 }) { return true }
    guard !protocols.contains(.http1) else { return false }
    return route.match.path.dropFirst().prefix { $0 != "/" }.contains(".")
      || route.match.headers.contains { $0.name.lowercased() == "content-type" && $0.value.hasPrefix("application/grpc") }
  }

  /// The largest content has to have a chance to come in time.
  private func checkTime(of maximum: Int, _ route: RouteSettings, _ row: Cursor, _ listeners: [Int: Int]) {
    let pairs = listeners.map { (total: route.bodyTotal ?? $0.key, rate: route.bodyRate ?? $0.value) }.filter { $0.total > 0 }
    guard let (total, rate) = pairs.min(by: { $0 < $1 }) else { return }
    let usual = max(rate, Self.usualRate)
    // At most 2^40 bytes, and a day.
    guard maximum / usual * 1000 > total else { return }
    let minutes = (maximum / usual + 59) / 60
    let advice =
      minutes <= 24 * 60 ? "`total: \(Quantity.describe(milliseconds: minutes * 60_000))`" : "`total: 0`, which is no bound,"
    let key = route.bodyTotal == nil ? "`body_total` of the listener" : "`total`"
    row.value(at: "body", "maximum")?.warn(
      "so much comes within \(key), \(Quantity.describe(milliseconds: total)), only if it is sent at "
        + "\(maximum * 1000 / total / 1024)KiB/s: write \(advice) beside it, or a smaller `maximum`")
  }

  // MARK: - Workers

  /// A worker's part of a limit that holds for all of them together: of the one who has least, where it does not divide evenly.
  private func share(_ limit: Int) -> Int { max(1, limit / workerCount) }

  private var workerCount: Int {
    switch workers {
    case .running(let count): max(1, count)
    case .written(let processors): max(1, configuration.process.workers > 0 ? configuration.process.workers : processors)
    }
  }
}

extension Cursor {
  /// The value that is written below these keys.
  func value(at keys: String...) -> Cursor? {
    var place = self
    for key in keys {
      guard case .mapping(let mapping) = place.node, let node = mapping[Node(key)] else { return nil }
      place = Cursor(node, file)
    }
    return place
  }

  func warn(_ message: String) { file.collector.warn(location, message) }
}
