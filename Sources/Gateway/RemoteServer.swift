import Bytes
import HTTP
import Reactor
import Resolver
import TLS
import Upstream

/// A server on the network that the gateway asks questions of its own: a pool of connections to it, on the control loop.
///
/// Its name is looked up when it is asked and the last answer is no longer new; the addresses that are known serve meanwhile.
final class RemoteServer {
  private struct Waiting {
    let request: Fetch.Request
    let completion: (Fetch.Outcome) -> Void
    /// The loop's time at which it is given up.
    let until: UInt64
  }

  let url: HTTPSURL
  private let endpoint: Endpoint
  private let pool: BackendPool
  private let resolver: Resolver
  private let isName: Bool
  private var lookup: Resolver.LookupID?
  private var answer: (at: UInt64, failure: NameFailure?)?
  /// What waits for the name's first addresses.
  private var waiting: [Waiting] = []
  private var timer: LoopTimer?
  /// Milliseconds from one look at a name to the next, when it had addresses and when not.
  private static let period: UInt64 = 5_000
  private static let pause: UInt64 = 500
  private static let maximumWaiting = 1024

  /// - Parameters:
  ///   - tls: for the URL's host.
  ///   - connections: at once.
  init(_ url: HTTPSURL, tls: ClientTLSContext, loop: EventLoop, resolver: Resolver, buffers: BufferPool, connections: Int = 8) {
    self.url = url
    self.resolver = resolver
    let literal = SocketAddress(literal: url.host, port: url.port)
    isName = literal == nil
    endpoint = Endpoint(
      name: "\(url.host):\(url.port)", host: url.host, port: url.port, metricID: 0, addresses: literal.map { [$0] } ?? [])
    let backend = Backend(
      name: url.host, index: 0, metricID: 0, endpoints: [endpoint], tls: tls, balance: .roundRobin, protocols: .http1,
      connectTimeout: 3_000, responseTimeout: 5_000, idleTimeout: 30_000, tunnelTimeout: 0, connectionLimit: connections,
      pendingLimit: Self.maximumWaiting,
      poolKey: [])
    pool = BackendPool(loop: loop, backend: backend, buffers: buffers, counts: ConnectionCounts())
  }

  private var hasAddress: Bool { endpoint.address(attempt: 0) != nil }

  /// `completion` is called exactly once, perhaps before this returns.
  func fetch(_ request: Fetch.Request, _ completion: @escaping (Fetch.Outcome) -> Void) {
    lookUpIfDue()
    if hasAddress { return Fetch.start(request, on: pool, completion) }
    guard lookup != nil, waiting.count < Self.maximumWaiting else { return completion(.failed(unresolved)) }
    waiting.append(Waiting(request: request, completion: completion, until: pool.loop.now + UInt64(max(1, request.timeout))))
    rearm()
  }

  private var unresolved: String { "the name does not resolve: \((answer?.failure ?? .noAnswer).text)" }

  private func lookUpIfDue() {
    guard isName, lookup == nil else { return }
    if let answer, pool.loop.now < answer.at + (answer.failure == nil ? Self.period : Self.pause) { return }
    lookup = resolver.lookUp(url.host) { [weak self] in self?.found($0) }
  }

  private func found(_ found: NameAnswer) {
    lookup = nil
    switch found {
    case .addresses(let addresses, _):
      endpoint.update(addresses.compactMap { $0.with(port: url.port) })
      answer = (pool.loop.now, nil)
    case .failed(let failure): answer = (pool.loop.now, failure)
    }
    let due = waiting
    waiting = []
    rearm()
    for one in due {
      if hasAddress { Fetch.start(one.request, on: pool, one.completion) } else { one.completion(.failed(unresolved)) }
    }
  }

  /// Those that have waited as long as their answer may take.
  private func giveUpLate() {
    let now = pool.loop.now
    let late = waiting.filter { $0.until <= now }
    waiting.removeAll { $0.until <= now }
    rearm()
    for one in late { one.completion(.failed("the name does not resolve: \(NameFailure.noAnswer.text)")) }
  }

  private func rearm() {
    guard let next = waiting.map(\.until).min() else { return timer?.setDeadline(0) ?? () }
    if timer == nil { timer = LoopTimer(loop: pool.loop) { [weak self] in self?.giveUpLate() } }
    timer?.setDeadline(at: next)
  }

  func retire() {
    if let lookup { resolver.cancel(lookup) }
    lookup = nil
    timer?.close()
    timer = nil
    let left = waiting
    waiting = []
    for one in left { one.completion(.failed("it is no longer asked")) }
    pool.retire()
  }
}
