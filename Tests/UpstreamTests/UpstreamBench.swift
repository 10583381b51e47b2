import Bytes
import CLinux
import Development
import Glibc
import HTTP
import Reactor
import TLS
import Upstream

/// One loop with everything on it: a pool, the backends it connects to, and the clients that use it. Driven by turns.
final class UpstreamBench {
  let loop: EventLoop
  let buffers = BufferPool()
  private(set) var backends: [TestBackend] = []

  init(backends count: Int = 1, identity: String = "orders") throws {
    signal(SIGPIPE, SIG_IGN)
    loop = try EventLoop()
    for _ in 0..<count { backends.append(try TestBackend(loop, buffers, name: identity)) }
  }

  deinit { end() }

  /// Closes everything that is open, and lets go of what the backends were told, which may hold the bench itself.
  func end() {
    loop.closeAll()
    for backend in backends { backend.answer = { _ in } }
  }

  func turn(until condition: () -> Bool) {
    let end = Clock.monotonicNanoseconds() + 20_000_000_000
    while !condition(), Clock.monotonicNanoseconds() < end { loop.turn(atMost: 50) }
  }

  /// A few turns in which nothing is expected to happen.
  func settle() { for _ in 0..<10 { loop.turn(atMost: 5) } }

  struct Settings {
    var identities = [DevelopmentPKI.spiffeID("orders")]
    var balance = Backend.Balance.leastRequests
    var connectTimeout = 20_000
    var responseTimeout = 20_000
    var idleTimeout = 60_000
    var connectionLimit = 16
    var pendingLimit = 4
    var extraEndpoints: [Endpoint] = []
    var withoutBackends = false
    var protocols = Backend.Protocols.http1
  }

  func pool(_ change: (inout Settings) -> Void = { _ in }) throws -> BackendPool {
    BackendPool(loop: loop, backend: try backend(change), buffers: buffers, counts: ConnectionCounts())
  }

  func backend(_ change: (inout Settings) -> Void = { _ in }) throws -> Backend {
    var settings = Settings()
    change(&settings)
    let tls = try ClientTLSContext(
      certificate: TestPKI.shared.chain("gateway"), authorities: TestPKI.shared.authorities, serverName: nil,
      identities: settings.identities, protocols: settings.protocols == .http2 ? [.h2] : [.http1_1])
    var endpoints = settings.extraEndpoints
    if !settings.withoutBackends { endpoints += backends.map(\.endpoint) }
    return Backend(
      name: "orders", index: 0, metricID: 0, endpoints: endpoints, tls: tls, balance: settings.balance, protocols: settings.protocols,
      connectTimeout: settings.connectTimeout, responseTimeout: settings.responseTimeout, idleTimeout: settings.idleTimeout, tunnelTimeout: settings.idleTimeout,
      connectionLimit: settings.connectionLimit, pendingLimit: settings.pendingLimit, poolKey: [1])
  }

  /// A client that asks `pool` for a connection and sends a request when it has one.
  func client(
    _ pool: BackendPool, request: String = "GET / HTTP/1.1\r\nHost: orders\r\n\r\n", method: HTTPMethod = .get,
    _ change: (TestClient) -> Void = { _ in }
  ) -> TestClient {
    let client = TestClient(request: request, method: method)
    change(client)
    pool.acquire(for: client)
    return client
  }

  /// A client whose request has come to its end, whichever.
  func finished(_ pool: BackendPool, method: HTTPMethod = .get) -> TestClient {
    let client = self.client(pool, method: method)
    turn { client.isOver }
    return client
  }
}

/// The development PKI, made once for all tests of the process.
struct TestPKI: Sendable {
  static let shared = TestPKI()
  private let pki: DevelopmentPKI
  let authorities: CertificateAuthorities

  private init() {
    var template = Array("/tmp/gatehouse-upstream-XXXXXX".utf8CString)
    let path = String(cString: mkdtemp(&template))
    pki = DevelopmentPKI(directory: path)
    do {
      _ = try pki.make()
      authorities = try CertificateAuthorities(path: pki.path("mesh-ca.crt"))
    } catch {
      fatalError("no PKI for the tests: \(error)")
    }
  }

  func chain(_ name: String) throws -> CertificateChain {
    try CertificateChain(certificate: pki.path(name + ".crt"), key: pki.path(name + ".key"))
  }
}
