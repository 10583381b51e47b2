import CLinux
import Development
import Reactor
import Testing
import Upstream

/// Connections that are not made, or not in time: which kind of failure, and whether anything was sent.
struct UpstreamFailureTests {
  private let bench: UpstreamBench
  private var backend: TestBackend { bench.backends[0] }

  init() throws { bench = try UpstreamBench() }

  @Test func `A backend with another identity than it should have gets not one byte`() throws {
    defer { bench.end() }
    let pool = try bench.pool { $0.identities = [DevelopmentPKI.spiffeID("users")] }
    let client = bench.finished(pool)
    bench.settle()
    #expect(client.failure?.kind == .identity)
    #expect(client.failure?.requestUnsent == true)
    #expect(!client.isReady)
    #expect(backend.received == [""])
    #expect(pool.openConnections == 0)
  }

  @Test func `A backend that does not speak TLS is a TLS failure and gets no request`() throws {
    defer { bench.end() }
    let descriptor = try Listener.open(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false)
    let plain = PlainListener(loop: bench.loop, descriptor: descriptor)
    try plain.register(.read)
    let endpoint = Endpoint(name: "plain", host: "", port: 0, metricID: 0, addresses: [TestBackend.localAddress(descriptor)])
    let pool = try bench.pool {
      $0.withoutBackends = true
      $0.extraEndpoints = [endpoint]
    }
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .tls)
    #expect(client.failure?.requestUnsent == true)
    #expect(pool.openConnections == 0)
  }

  @Test func `A port that nobody listens on is a connect failure`() throws {
    let closed = try Self.closedEndpoint()
    defer { bench.end() }
    let pool = try bench.pool {
      $0.withoutBackends = true
      $0.extraEndpoints = [closed]
    }
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .connect)
    #expect(client.failure?.requestUnsent == true)
    #expect(client.failures == 1)
    #expect(pool.openConnections == 0)
  }

  @Test func `A name that does not resolve is a connect failure, at once`() throws {
    defer { bench.end() }
    let pool = try bench.pool {
      $0.withoutBackends = true
      $0.extraEndpoints = [Endpoint(name: "nowhere", host: "nowhere", port: 1, metricID: 0, addresses: [])]
    }
    let client = bench.client(pool)
    #expect(client.failure?.kind == .connect)
    #expect(client.failure?.requestUnsent == true)
  }

  @Test func `A handshake that does not end in time is given up`() throws {
    defer { bench.end() }
    backend.isMute = true
    let pool = try bench.pool { $0.connectTimeout = 100 }
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .connect)
    #expect(client.failure?.requestUnsent == true)
    #expect(pool.openConnections == 0)
  }

  @Test func `A head that does not come in time is a timeout`() throws {
    defer { bench.end() }
    backend.answer = { _ in }
    let pool = try bench.pool { $0.responseTimeout = 100 }
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .timeout)
    #expect(client.failure?.requestUnsent == false)
    #expect(client.failure?.responseStarted == false)
    #expect(pool.openConnections == 0)
  }

  @Test func `Content that stops coming is a timeout after the response began`() throws {
    defer { bench.end() }
    backend.answer = { $0.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") }
    let pool = try bench.pool { $0.idleTimeout = 100 }
    let client = bench.finished(pool)
    #expect(client.body == "hello")
    #expect(client.failure?.kind == .timeout)
    #expect(client.failure?.responseStarted == true)
    #expect(pool.openConnections == 0)
  }

  @Test func `A pooled connection grows old and leaves without a word`() throws {
    defer { bench.end() }
    let pool = try bench.pool { $0.idleTimeout = 100 }
    let client = bench.finished(pool)
    #expect(client.ends == 1)
    #expect(pool.idleConnections == 1)
    bench.turn { pool.idleConnections == 0 }
    #expect(pool.openConnections == 0)
    #expect(client.failures == 0)
  }

  @Test func `A backend that closes after reading the request is a reset of a connection that is new`() throws {
    defer { bench.end() }
    backend.answer = { $0.end() }
    let client = bench.finished(try bench.pool())
    #expect(client.failure?.kind == .reset)
    #expect(client.failure?.connectionReused == false)
    #expect(client.failure?.responseStarted == false)
    #expect(client.failure?.requestUnsent == false)
  }

  @Test func `A stale connection tells that it was used before and that nothing was answered`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    _ = bench.finished(pool)
    // The backend closes while the next request is already on its way.
    let client = bench.client(pool)
    backend.connections[0].end()
    #expect(client.wasReused)
    bench.turn { client.isOver }
    #expect(client.failure?.kind == .reset)
    #expect(client.failure?.connectionReused == true)
    #expect(client.failure?.responseStarted == false)
    #expect(pool.openConnections == 0)
  }

  @Test func `A pooled connection that the backend has closed in this very turn is not given out`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    _ = bench.finished(pool)
    backend.connections[0].end()
    let client = bench.finished(pool)
    #expect(!client.wasReused)
    #expect(client.body == "ok")
  }

  @Test func `A pooled connection that the backend has closed is not given out once that is known`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    _ = bench.finished(pool)
    backend.connections[0].end()
    bench.turn { pool.idleConnections == 0 }
    let client = bench.finished(pool)
    #expect(!client.wasReused)
    #expect(client.body == "ok")
    #expect(backend.connections.count == 2)
  }

  /// An endpoint whose port was free a moment ago.
  static func closedEndpoint() throws -> Endpoint {
    let descriptor = try Listener.open(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false)
    let address = TestBackend.localAddress(descriptor)
    _ = close(descriptor)
    return Endpoint(name: "closed", host: "127.0.0.1", port: address.peer.port, metricID: 1, addresses: [address])
  }
}

/// Answers every connection with something that is not TLS.
private final class PlainListener: Listener {
  override func accepted(_ descriptor: Int32, from peer: PeerAddress) {
    let text = Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
    _ = Syscall.write(descriptor, text, text.count)
    _ = CLinux.close(descriptor)
  }
}
