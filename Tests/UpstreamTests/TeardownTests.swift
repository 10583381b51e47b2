import HTTP
import Reactor
import Testing
import Upstream

/// Ends that meet one another, and what is left of them: nothing.
final class TeardownTests {
  private let bench: UpstreamBench
  private let backend: TestBackend

  init() throws {
    bench = try UpstreamBench()
    backend = bench.backends[0]
  }

  deinit { bench.end() }

  /// A pool of one connection to a backend that answers nothing, `others` who wait for it, and the first, who has it.
  private func busyPool(
    others: Int = 1, pendingLimit: Int = 4
  ) throws -> (pool: BackendPool, first: TestClient, others: [TestClient]) {
    backend.hold()
    let pool = try bench.pool { ($0.connectionLimit, $0.pendingLimit) = (1, pendingLimit) }
    let (first, others) = (bench.client(pool), (0..<others).map { _ in bench.client(pool) })
    bench.turn { first.isReady }
    return (pool, first, others)
  }

  private func turn() { bench.loop.turn(atMost: 0) }

  @Test func `A connection and the one it serves hold each other until the request is over`() throws {
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
    turn()
    #expect(connection == nil && pool.openConnections == 0)
  }

  @Test func `Whoever is served hears of it when the loop closes all, and is let go`() throws {
    backend.hold()
    let pool = try bench.pool { $0.connectionLimit = 1 }
    weak var gone: TestClient?
    var failures: [UpstreamFailure.Kind?] = []
    do {
      let (served, waiting) = (bench.client(pool), bench.client(pool))
      gone = served
      bench.turn { served.isReady && backend.received.first?.isEmpty == false }
      pool.forget(waiting)
      bench.end()
      failures = [served.failure?.kind, waiting.failure?.kind]
      #expect(served.failures == 1)
    }
    #expect(failures == [.reset, nil])
    #expect(gone == nil && pool.openConnections == 0)
  }

  @Test func `A place that becomes free is given away when the connection is closed for all, not while it closes`() throws {
    let (pool, first, others) = try busyPool()
    first.connection?.cancel()
    #expect(others[0].connection == nil && pool.openConnections == 0)
    turn()
    #expect(pool.openConnections == 1)
    bench.turn { others[0].isReady }
    #expect(others[0].isReady)
  }

  @Test func `Whoever asks meanwhile does not get the place of those in line`() throws {
    let (pool, first, others) = try busyPool(pendingLimit: 1)
    first.connection?.cancel()
    // The line is full no more: a place is there for the first in it.
    let (third, fourth) = (bench.client(pool), bench.client(pool))
    #expect(third.failure == nil && fourth.failure?.kind == .overloaded)
    turn()
    #expect(pool.openConnections == 1)
    bench.turn { others[0].isReady }
    #expect(others[0].isReady && third.connection == nil)
  }

  @Test func `Who leaves the line while its place becomes free is not served`() throws {
    let (pool, first, others) = try busyPool()
    first.connection?.cancel()
    pool.forget(others[0])
    bench.settle()
    #expect(others[0].connection == nil && others[0].failures == 0 && pool.openConnections == 0)
  }

  @Test func `When no place can be had any more, all in line are told in one turn`() throws {
    let (pool, first, others) = try busyPool(others: 3)
    backend.endpoint.update([try #require(SocketAddress(literal: "127.0.0.1", port: 1))])
    first.connection?.cancel()
    bench.turn { others.allSatisfy(\.isOver) }
    #expect(others.allSatisfy { $0.failures == 1 && $0.failure?.kind == .connect })
    #expect(pool.openConnections == 0)
  }
}
