import HTTP
import Reactor
import Testing
import Upstream

/// Ends that meet one another, and what is left of them: nothing.
struct TeardownTests {
  @Test func `A connection and the one it serves hold each other until the request is over`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    let pool = try bench.pool()
    weak var client: TestClient?
    weak var connection: UpstreamConnection?
    do {
      let made = bench.client(pool)
      client = made
      made.onBody = { [weak made] in connection = made?.connection }
    }
    // Nobody but the connection has it.
    #expect(client != nil)
    bench.turn { client == nil }
    #expect(client == nil)
    #expect(connection != nil && pool.idleConnections == 1)
    pool.retire()
    loop(bench)
    #expect(connection == nil && pool.openConnections == 0)
  }

  @Test func `Whoever is served hears of it when the loop closes all, and is let go`() throws {
    let bench = try UpstreamBench()
    bench.backends[0].answer = { _ in }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    weak var gone: TestClient?
    var failures: [UpstreamFailure.Kind?] = []
    do {
      let (served, waiting) = (bench.client(pool), bench.client(pool))
      gone = served
      bench.turn { served.isReady && bench.backends[0].received.first?.isEmpty == false }
      pool.forget(waiting)
      bench.end()
      failures = [served.failure?.kind, waiting.failure?.kind]
      #expect(served.failures == 1)
    }
    #expect(failures == [.reset, nil])
    #expect(gone == nil && pool.openConnections == 0)
  }

  @Test func `A place that becomes free is given away when the connection is closed for all, not while it closes`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].answer = { _ in }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let (first, second) = (bench.client(pool), bench.client(pool))
    bench.turn { first.isReady }
    first.connection?.cancel()
    #expect(second.connection == nil && pool.openConnections == 0)
    loop(bench)
    #expect(pool.openConnections == 1)
    bench.turn { second.isReady }
    #expect(second.isReady)
  }

  @Test func `Whoever asks meanwhile does not get the place of those in line`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].answer = { _ in }
    let pool = try bench.pool { ($0.connectionLimit, $0.pendingLimit) = (1, 1) }
    let (first, second) = (bench.client(pool), bench.client(pool))
    bench.turn { first.isReady }
    first.connection?.cancel()
    // The line is full no more: a place is there for the first in it.
    let (third, fourth) = (bench.client(pool), bench.client(pool))
    #expect(third.failure == nil && fourth.failure?.kind == .overloaded)
    loop(bench)
    #expect(pool.openConnections == 1)
    bench.turn { second.isReady }
    #expect(second.isReady && third.connection == nil)
  }

  @Test func `Who leaves the line while its place becomes free is not served`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].answer = { _ in }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let (first, second) = (bench.client(pool), bench.client(pool))
    bench.turn { first.isReady }
    first.connection?.cancel()
    pool.forget(second)
    bench.settle()
    #expect(second.connection == nil && second.failures == 0 && pool.openConnections == 0)
  }

  @Test func `When no place can be had any more, all in line are told in one turn`() throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].answer = { _ in }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let clients = (0..<4).map { _ in bench.client(pool) }
    bench.turn { clients[0].isReady }
    let address = bench.backends[0].endpoint
    address.update([try #require(SocketAddress(literal: "127.0.0.1", port: 1))])
    clients[0].connection?.cancel()
    bench.turn { clients[1...].allSatisfy(\.isOver) }
    #expect(clients[1...].allSatisfy { $0.failures == 1 && $0.failure?.kind == .connect })
    #expect(pool.openConnections == 0)
  }

  private func loop(_ bench: UpstreamBench) { bench.loop.turn(atMost: 0) }
}
