import Bytes
import Foundation
import HTTP
import Reactor
import TLS
import Upstream

/// A server on the network that the gateway asks questions of its own: a pool of connections to it, on the control loop.
final class RemoteServer {
  let url: HTTPSURL
  private let endpoint: Endpoint
  private let pool: BackendPool
  private let isResolving = Locked(false)
  /// What waits for the name's first addresses.
  private var waiting: [(Fetch.Request, (Fetch.Outcome) -> Void)] = []
  private var timer: ControlTimer?
  /// Milliseconds between two looks.
  private static let look = 10

  /// - Parameters:
  ///   - tls: for the URL's host.
  ///   - connections: at once.
  init(_ url: HTTPSURL, tls: ClientTLSContext, loop: EventLoop, buffers: BufferPool, connections: Int = 8) {
    self.url = url
    let literal = SocketAddress(literal: url.host, port: url.port)
    endpoint = Endpoint(
      name: "\(url.host):\(url.port)", host: url.host, port: url.port, metricID: 0, addresses: literal.map { [$0] } ?? [])
    let backend = Backend(
      name: url.host, index: 0, metricID: 0, endpoints: [endpoint], tls: tls, balance: .roundRobin, protocols: .http1,
      connectTimeout: 3_000, responseTimeout: 5_000, idleTimeout: 30_000, tunnelTimeout: 0, connectionLimit: connections,
      pendingLimit: 1024,
      poolKey: [])
    pool = BackendPool(loop: loop, backend: backend, buffers: buffers, counts: ConnectionCounts())
    resolve()
  }

  private var isName: Bool { SocketAddress(literal: url.host, port: url.port) == nil }

  /// Resolves the name anew, on a thread of its own: that blocks. The last addresses serve meanwhile.
  private func resolve() {
    guard isName,
      !isResolving.withLock({ was in
        defer { was = true }
        return was
      })
    else { return }
    let (endpoint, flag) = (endpoint, isResolving)
    Thread.detachNewThread {
      endpoint.update(SocketAddress.resolve(host: endpoint.host, port: endpoint.port))
      flag.withLock { $0 = false }
    }
  }

  /// `completion` is called exactly once.
  func fetch(_ request: Fetch.Request, _ completion: @escaping (Fetch.Outcome) -> Void) {
    resolve()
    guard endpoint.address(attempt: 0) == nil, isResolving.withLock({ $0 }) else {
      return Fetch.start(request, on: pool, completion)
    }
    waiting.append((request, completion))
    if timer == nil { timer = try? ControlTimer(loop: pool.loop) { [unowned self] in lookAgain() } }
    timer?.setDeadline(Self.look)
  }

  private func lookAgain() {
    if endpoint.address(attempt: 0) == nil, isResolving.withLock({ $0 }) { timer?.setDeadline(Self.look) } else { startWaiting() }
  }

  private func startWaiting() {
    let due = waiting
    waiting = []
    for (request, completion) in due { Fetch.start(request, on: pool, completion) }
  }

  func retire() {
    startWaiting()
    timer?.close()
    timer = nil
    pool.retire()
  }
}
