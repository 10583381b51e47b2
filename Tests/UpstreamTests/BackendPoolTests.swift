import HTTP
import Reactor
import Testing
import Upstream

struct BackendPoolTests {
  @Test func `Requests one after the other share one connection`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool()
    for round in 0..<5 {
      let client = bench.finished(pool)
      #expect(client.body == "ok")
      #expect(client.wasReused == (round > 0))
    }
    #expect(bench.backends[0].connections.count == 1)
    #expect(pool.openConnections == 1)
    #expect(pool.idleConnections == 1)
  }

  @Test func `A request made while the one before it ends finds the connection free`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool()
    var second: TestClient?
    let first = bench.client(pool) { $0.onEnd = { second = bench.client(pool) } }
    bench.turn { second?.isOver == true }
    #expect(first.ends == 1)
    #expect(second?.wasReused == true)
    #expect(second?.body == "ok")
    #expect(bench.backends[0].connections.count == 1)
  }

  @Test func `Requests at once have a connection each, up to the limit; the rest wait in line, in order`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 2 }
    let clients = (0..<4).map { bench.client(pool, request: "GET /\($0) HTTP/1.1\r\nHost: o\r\n\r\n") }
    bench.turn { backend.received.count(where: { !$0.isEmpty }) == 2 }
    bench.settle()
    #expect(clients.map(\.isReady) == [true, true, false, false])
    #expect(pool.openConnections == 2)
    backend.connections[0].answerNext()
    bench.turn { clients[2].isReady }
    #expect(!clients[3].isReady)
    #expect(clients[2].wasReused)
    backend.release()
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(clients.map(\.body) == ["ok", "ok", "ok", "ok"])
    #expect(backend.connections.count == 2)
    #expect(pool.idleConnections == 2)
  }

  @Test func `A request beyond the line is refused at once`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].hold()
    let pool = try bench.pool {
      $0.connectionLimit = 1
      $0.pendingLimit = 2
    }
    let clients = (0..<4).map { _ in bench.client(pool) }
    #expect(clients.map(\.isOver) == [false, false, false, true])
    #expect(clients[3].failure?.kind == .overloaded)
    #expect(clients[3].failure?.requestUnsent == true)
  }

  @Test func `Who leaves the line is passed over`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let clients = (0..<3).map { _ in bench.client(pool) }
    bench.turn { backend.received.first?.isEmpty == false }
    pool.forget(clients[1])
    pool.forget(clients[1])
    backend.answer = { $0.answerNext() }
    backend.connections[0].answerNext()
    bench.turn { clients[2].isOver }
    #expect(clients[2].body == "ok")
    #expect(!clients[1].isReady)
    #expect(clients[1].failures == 0)
  }

  @Test func `The place of a connection that ends is given to the first in line`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let first = bench.client(pool)
    let second = bench.client(pool)
    bench.turn { backend.received.first?.isEmpty == false }
    backend.answer = { $0.answerNext() }
    first.connection?.cancel()
    bench.turn { second.isOver }
    #expect(second.body == "ok")
    #expect(!second.wasReused)
    #expect(pool.openConnections == 1)
  }

  @Test func `When no connection can be made, all who wait in line are told`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let clients = (0..<4).map { _ in bench.client(pool) }
    bench.turn { backend.received.first?.isEmpty == false }
    // From now on connecting fails on the spot: there is no such socket file.
    backend.endpoint.update([try SocketAddress(unixPath: "/nonexistent/gatehouse.sock")])
    clients[0].connection?.cancel()
    // One turn is enough for all of them.
    bench.loop.turn(atMost: 0)
    #expect(clients.dropFirst().map(\.failure?.kind) == [.connect, .connect, .connect])
    #expect(pool.openConnections == 0)
  }

  @Test func `Round robin takes the endpoints in turn`() throws {
    let bench = try UpstreamBench(backends: 3)
    defer { bench.end() }
    let pool = try bench.pool { $0.balance = .roundRobin }
    let taken = (0..<9).map { _ in bench.finished(pool).endpointIndex }
    #expect(Set(taken[0..<3]) == [0, 1, 2])
    #expect(taken[3..<6] == taken[0..<3])
    #expect(taken[6..<9] == taken[0..<3])
    #expect(pool.idleConnections == 3)
  }

  @Test func `Least requests avoids the endpoint that is busy`() throws {
    let bench = try UpstreamBench(backends: 2)
    defer { bench.end() }
    bench.backends[0].hold()
    bench.backends[1].hold()
    let pool = try bench.pool()
    let busy = (0..<4).map { _ in bench.client(pool) }
    bench.turn { busy.allSatisfy(\.isReady) }
    #expect(busy.count(where: { $0.endpointIndex == 0 }) == 2)
    // Both requests of the first endpoint end; the next two go there, whosever turn it is.
    for client in busy where client.endpointIndex == 0 { client.connection?.shutDown() }
    let next = (0..<2).map { _ in bench.client(pool) }
    bench.turn { next.allSatisfy(\.isReady) }
    #expect(next.map(\.endpointIndex) == [0, 0])
  }

  @Test func `An endpoint that refuses is passed over, and the request goes to the next`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let closed = try UpstreamFailureTests.closedEndpoint()
    let pool = try bench.pool {
      $0.balance = .roundRobin
      $0.extraEndpoints = [closed]
    }
    let clients = (0..<6).map { _ in bench.finished(pool) }
    #expect(clients.allSatisfy { $0.body == "ok" })
  }

  @Test func `When no endpoint can be reached the request fails once`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let closed = [try UpstreamFailureTests.closedEndpoint(), try UpstreamFailureTests.closedEndpoint()]
    let pool = try bench.pool {
      $0.extraEndpoints = closed
      $0.withoutBackends = true
    }
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .connect && client.failure?.requestUnsent == true)
    #expect(pool.openConnections == 0)
  }

  @Test func `An endpoint whose name does not resolve is passed over`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool {
      $0.balance = .roundRobin
      $0.extraEndpoints = [Endpoint(name: "nowhere", host: "nowhere", port: 1, metricID: 0, addresses: [])]
    }
    for _ in 0..<4 { #expect(bench.finished(pool).body == "ok") }
  }

  @Test func `At the limit an idle connection to another endpoint is better than waiting`() throws {
    let bench = try UpstreamBench(backends: 2)
    defer { bench.end() }
    let pool = try bench.pool {
      $0.balance = .roundRobin
      $0.connectionLimit = 1
    }
    let first = bench.finished(pool)
    let second = bench.finished(pool)
    #expect(second.body == "ok")
    #expect(second.wasReused)
    #expect(second.endpointIndex == first.endpointIndex)
  }

  @Test func `A retired pool closes what is idle, and what is busy when its request is over`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool()
    let clients = (0..<2).map { _ in bench.client(pool) }
    bench.turn { backend.received.count(where: { !$0.isEmpty }) == 2 }
    backend.connections[0].answerNext()
    bench.turn { pool.idleConnections == 1 }
    pool.retire()
    #expect(pool.isRetired)
    #expect(pool.openConnections == 1)
    #expect(pool.idleConnections == 0)
    backend.connections[1].answerNext()
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(clients.map(\.body) == ["ok", "ok"])
    #expect(pool.openConnections == 0)
  }

  @Test func `Who stood in line when the pool was retired is served by the next`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let backend = bench.backends[0]
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let next = try bench.pool { $0.connectionLimit = 1 }
    let clients = (0..<3).map { _ in bench.client(pool) }
    for client in clients { client.onWithdrawn = { [unowned client] in next.acquire(for: client) } }
    bench.turn { backend.received.first?.isEmpty == false }
    pool.retire()
    bench.turn { next.waitingRequests == 2 }
    #expect(pool.waitingRequests == 0)
    backend.answer = { $0.answerNext() }
    backend.connections[0].answerNext()
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(clients.map(\.body) == ["ok", "ok", "ok"])
    #expect(pool.openConnections == 0)
    #expect(backend.connections.count == 2)
  }

  @Test func `A retired pool makes no connection, and ends those that it was making`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool()
    let (waiting, leaving) = (bench.client(pool), bench.client(pool))
    // Its connection goes on being made for nobody.
    pool.forget(leaving)
    #expect(pool.openConnections == 2)
    pool.retire()
    pool.retire()
    #expect(pool.openConnections == 0)
    bench.loop.turn(atMost: 0)
    #expect(waiting.failures == 1 && waiting.failure?.requestUnsent == true)
    #expect(leaving.failures == 0)
    let late = bench.client(pool)
    #expect(late.failures == 1 && pool.openConnections == 0)
    #expect(pool.waitingRequests == 0 && pool.fault(among: []) == nil)
  }

  @Test func `A pool keeps its connections when it adopts new limits`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool()
    _ = bench.finished(pool)
    pool.adopt(
      try bench.backend {
        $0.pendingLimit = 0
        $0.connectionLimit = 1
      })
    #expect(bench.finished(pool).wasReused)
    bench.backends[0].hold()
    _ = bench.client(pool)
    #expect(bench.client(pool).failure?.kind == .overloaded)
  }

  @Test func `An endpoint's addresses are tried in turn, and an empty answer keeps the old ones`() throws {
    let one = try #require(SocketAddress(literal: "127.0.0.1", port: 1))
    let two = try #require(SocketAddress(literal: "127.0.0.2", port: 1))
    let endpoint = Endpoint(name: "e", host: "e", port: 1, metricID: 0, addresses: [one])
    endpoint.update([one, two])
    #expect(
      (0..<4).map { endpoint.address(attempt: $0)?.description } == ["127.0.0.1:1", "127.0.0.2:1", "127.0.0.1:1", "127.0.0.2:1"])
    endpoint.update([])
    #expect(endpoint.address(attempt: 1)?.description == "127.0.0.2:1")
  }
}
