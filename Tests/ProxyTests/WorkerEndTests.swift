import CLinux
import Development
import HTTP
import Limits
import Proxy
import Reactor
import Routing
import TLS
import Telemetry
import Testing
import Tokens
import Upstream

/// Whoever serves and whoever is served hold each other, until either ends; and when a worker ends, nothing of it is left.
struct WorkerEndTests {
  /// One worker with an entrance and a backend that takes connections and says nothing.
  private final class Bench {
    let loop: EventLoop
    let worker: WorkerContext
    private let entrance: DownstreamListener
    private let deaf: Int32
    private var clients: [Int32] = []

    init() throws {
      loop = try EventLoop()
      let any = try #require(SocketAddress(literal: "127.0.0.1", port: 0))
      deaf = try Listener.open(any, backlog: 16, reusePort: false)
      worker = WorkerContext(
        loop: loop, metrics: WorkerMetrics(WorkerCounts()), snapshot: try Self.snapshot(Self.address(of: deaf)), logDescriptor: -1,
        tokenCacheBytes: 64 << 10, report: { _ in }, reportFailure: { _, _, _ in })
      let context = ListenerContext(
        name: "plain", address: "here", security: .plaintext(.serves), redirectsPlaintext: false, expectsProxyHeader: false,
        headerBytes: 8 << 10, headerCount: 64, uriBytes: 4 << 10, streams: 16, connectionLimit: 100, perClientLimit: 0,
        handshakeTimeout: 60_000, headerTimeout: 60_000, idleTimeout: 60_000, content: .none, drainTime: 60_000, trusted: [],
        servesKeys: false)
      entrance = DownstreamListener(worker: worker, descriptor: eventfd(0, 0), context: context, report: { _ in })
    }

    deinit {
      entrance.abandon()
      for client in clients { _ = CLinux.close(client) }
      _ = CLinux.close(deaf)
    }

    private static func address(of descriptor: Int32) -> SocketAddress {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
      }
      return SocketAddress(storage: storage, length: length)
    }

    private static func snapshot(_ address: SocketAddress) throws -> ProxySnapshot {
      var template = Array("/tmp/gatehouse-worker-XXXXXX".utf8CString)
      let pki = DevelopmentPKI(directory: String(cString: mkdtemp(&template)))
      _ = try pki.make()
      let tls = try ClientTLSContext(
        certificate: CertificateChain(certificate: pki.path("gateway.crt"), key: pki.path("gateway.key")),
        authorities: CertificateAuthorities(path: pki.path("mesh-ca.crt")), serverName: nil, identities: ["spiffe://a/b"])
      let backend = Backend(
        name: "orders", index: 0, metricID: 0,
        endpoints: [Endpoint(name: "orders", host: "orders", port: 1, metricID: 0, addresses: [address])], tls: tls,
        balance: .roundRobin, protocols: .http1, connectTimeout: 60_000, responseTimeout: 60_000, idleTimeout: 60_000,
        tunnelTimeout: 60_000, connectionLimit: 1, pendingLimit: 10, poolKey: [1])
      var table = RouteTableBuilder(seed: 1)
      try table.add(RouteMatch(path: "/orders/**"), index: 0)
      let route = Route(
        name: "orders", index: 0, metricID: 0,
        access: RouteAccess(index: 0, providers: ProviderSet([]), places: [], removedSources: [], removedNames: TokenSource.fieldNames([])),
        backends: [(0, 1)], stripPrefix: [], timeout: 0, bodyMaximum: 1 << 20, forwardsAccessToken: false)
      return ProxySnapshot(
        generation: 1, routeTable: table.build(), routes: [route], backends: [backend], providers: [], internalTokens: .none,
        tokenFields: ["X-Internal-Token"], pathRules: PathRules(), writesAccessLog: false, gatheredLimit: 1 << 20)
    }

    /// A client that asks for something; its exchange, when there is one.
    func ask() throws -> (client: Int32, exchange: Exchange) {
      var pair: [Int32] = [-1, -1]
      #expect(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &pair) == 0)
      clients.append(pair[0])
      let before = exchanges
      entrance.accepted(pair[1], from: PeerAddress(v4: 0x7f00_0001, port: 1))
      let head = Array("GET /orders/7 HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
      #expect(write(pair[0], head, head.count) == head.count)
      turn { exchanges.count > before.count }
      return (pair[0], try #require(exchanges.first { one in !before.contains { $0 === one } }))
    }

    func leave(_ client: Int32) {
      clients.removeAll { $0 == client }
      _ = CLinux.close(client)
      let count = exchanges.count
      turn { exchanges.count < count }
      loop.turn(atMost: 0)
    }

    private var exchanges: [Exchange] { loop.channels().compactMap { $0 as? DownstreamConnection }.compactMap(\.exchanges.first) }

    private func turn(until condition: () -> Bool) {
      let end = Clock.monotonicNanoseconds() + 60_000_000_000
      while !condition(), Clock.monotonicNanoseconds() < end { loop.turn(atMost: 50) }
    }
  }

  @Test func `An exchange that was reused, one under way and one in line are gone with the worker`() throws {
    weak var reused: Exchange?
    weak var waiting: Exchange?
    weak var worker: WorkerContext?
    weak var loop: EventLoop?
    weak var pool: BackendPool?
    weak var connection: UpstreamConnection?
    do {
      let bench = try Bench()
      (worker, loop, pool) = (bench.worker, bench.loop, bench.worker.snapshot.pools[0])
      let first = try bench.ask()
      reused = first.exchange
      bench.leave(first.client)
      let second = try bench.ask()
      #expect(second.exchange === first.exchange, "the object serves the next request")
      connection = bench.loop.channels().lazy.compactMap { $0 as? UpstreamConnection }.first
      #expect(connection != nil && bench.worker.snapshot.pools[0].waitingRequests == 1)
      waiting = try bench.ask().exchange
      #expect(bench.worker.activeExchanges == 2 && bench.worker.fault == nil)
      bench.loop.closeAll()
      #expect(bench.worker.activeExchanges == 0)
      bench.worker.close()
    }
    #expect(reused == nil && waiting == nil, "an exchange is left")
    #expect(connection == nil && pool == nil, "a connection or its pool is left")
    #expect(worker == nil && loop == nil, "a worker is left")
  }

  @Test func `A connection whose client has gone serves nobody`() throws {
    let bench = try Bench()
    weak var connection: UpstreamConnection?
    do {
      let (client, exchange) = try bench.ask()
      connection = bench.loop.channels().lazy.compactMap { $0 as? UpstreamConnection }.first
      #expect(connection != nil && bench.worker.snapshot.pools[0].waitingRequests == 1)
      #expect(exchange.client != nil)
      bench.leave(client)
    }
    // It is made all the same, for whoever comes next.
    #expect(connection != nil && connection?.client == nil)
    #expect(bench.worker.snapshot.pools[0].waitingRequests == 0 && bench.worker.fault == nil)
    bench.loop.closeAll()
    #expect(connection == nil)
    bench.worker.close()
  }
}
