import Limits
import Reactor
import Testing
import Upstream

/// Who gets a connection, and when, if clients are many and of different kinds.
final class FairPoolTests {
  private let bench: UpstreamBench
  private let backend: TestBackend

  init() throws {
    bench = try UpstreamBench()
    backend = bench.backends[0]
  }

  deinit { bench.end() }

  private func ask(_ pool: BackendPool, _ address: UInt64, _ connection: UInt64 = 0) -> TestClient {
    bench.client(pool) { $0.origin = ClientOrigin(address: ClientAddress(high: 0, low: address), connection: connection) }
  }

  private func check(_ pool: BackendPool) {
    let fault = pool.fault(among: bench.loop.channels().compactMap { $0 as? UpstreamConnection })
    #expect(fault == nil)
  }

  @Test func `One client holds half, and another one is served at once`() throws {
    backend.hold()
    let pool = try bench.pool {
      $0.connectionLimit = 8
      $0.pendingLimit = 100
    }
    let many = (0..<20).map { _ in ask(pool, 1) }
    bench.turn { many.count(where: \.isReady) == 4 }
    bench.settle()
    #expect(many.count(where: \.isReady) == 4)
    check(pool)
    let other = ask(pool, 2)
    bench.turn { other.isReady }
    #expect(other.isReady)
    check(pool)
    // What the first gives back it may have again.
    backend.release()
    bench.turn { many.allSatisfy(\.isOver) && other.isOver }
    #expect(many.allSatisfy { $0.body == "ok" })
    #expect(pool.openConnections <= 5)
    check(pool)
  }

  @Test func `One connection of a client leaves room for the next`() throws {
    backend.hold()
    let pool = try bench.pool {
      $0.connectionLimit = 16
      $0.pendingLimit = 400
    }
    let attack = (1...3 as ClosedRange<UInt64>).flatMap { connection in (0..<30).map { _ in ask(pool, 1, connection) } }
    bench.turn { attack.count(where: \.isReady) == 7 }
    bench.settle()
    #expect(attack.count(where: \.isReady) == 7)
    let good = ask(pool, 1, 4)
    bench.turn { good.isReady }
    #expect(good.isReady)
    check(pool)
  }

  @Test func `When the line is full, the client who has most in it gives way, and it alone`() throws {
    backend.hold()
    let pool = try bench.pool {
      $0.connectionLimit = 1
      $0.pendingLimit = 8
    }
    let many = (0..<10).map { _ in ask(pool, 1) }
    #expect(many.map { $0.failure?.kind == .overloaded } == Array(repeating: false, count: 9) + [true])
    let others = (0..<4).map { _ in ask(pool, 2) }
    #expect(others.allSatisfy { $0.failure == nil })
    #expect(many.count { $0.failure?.kind == .overloaded } == 5)
    check(pool)
    // Now each has half, and whoever wants more is refused.
    #expect(ask(pool, 2).failure?.kind == .overloaded)
    #expect(ask(pool, 1).failure?.kind == .overloaded)
    #expect(ask(pool, 3).failure == nil)
    check(pool)
  }

  @Test func `Turn in line goes round by client`() throws {
    backend.hold()
    let pool = try bench.pool {
      $0.connectionLimit = 1
      $0.pendingLimit = 100
    }
    let first = ask(pool, 9)
    bench.turn { first.isReady }
    let many = (0..<6).map { _ in ask(pool, 1) }
    let late = [ask(pool, 2), ask(pool, 2)]
    var order: [String] = []
    for client in many { client.onEnd = { order.append("many") } }
    for client in late { client.onEnd = { order.append("late") } }
    backend.release()
    bench.turn { many.allSatisfy(\.isOver) && late.allSatisfy(\.isOver) }
    #expect(order == ["many", "late", "many", "late", "many", "many", "many", "many"])
    check(pool)
  }

  @Test func `Whoever waits for a connection of its own is served by one that becomes free`() throws {
    let pool = try bench.pool { $0.connectionLimit = 2 }
    let first = bench.finished(pool)
    #expect(first.body == "ok")
    backend.hold()
    let busy = bench.client(pool)
    // From here on no connection comes to be.
    backend.isMute = true
    let waiting = bench.client(pool)
    bench.turn { busy.isReady && backend.connections.count == 2 }
    #expect(pool.openConnections == 2)
    #expect(!waiting.isReady)
    backend.release()
    bench.turn { waiting.isOver }
    #expect(waiting.body == "ok")
    #expect(waiting.wasReused)
    #expect(busy.body == "ok")
    check(pool)
  }

  @Test func `Nobody is told of a connection that fails when he has been served`() throws {
    let pool = try bench.pool {
      $0.connectionLimit = 2
      $0.connectTimeout = 500
    }
    _ = bench.finished(pool)
    backend.hold()
    let busy = bench.client(pool)
    backend.isMute = true
    let waiting = bench.client(pool)
    bench.turn { busy.isReady && backend.connections.count == 2 }
    backend.release()
    bench.turn { busy.isOver && waiting.isOver && pool.openConnections == 1 }
    #expect(waiting.failures == 0)
    #expect(pool.openConnections == 1)
    check(pool)
  }

  @Test func `Who leaves while a connection is made for him leaves it to the next`() throws {
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let first = bench.client(pool)
    let second = bench.client(pool)
    pool.forget(first)
    bench.turn { second.isOver }
    #expect(second.body == "ok")
    #expect(!first.isReady)
    #expect(backend.connections.count == 1)
    check(pool)
  }

  @Test func `A connection that nobody waits for any more is kept`() throws {
    let pool = try bench.pool()
    let client = bench.client(pool)
    pool.forget(client)
    bench.turn { pool.idleConnections == 1 }
    check(pool)
    #expect(bench.finished(pool).body == "ok")
    #expect(backend.connections.count == 1)
  }

  @Test func `Whoever comes, goes, or is closed, the accounts are right`() throws {
    var random = SystemRandomNumberGenerator()
    let pool = try bench.pool {
      $0.connectionLimit = 4
      $0.pendingLimit = 12
    }
    var clients: [TestClient] = []
    for _ in 0..<400 {
      switch Int.random(in: 0..<8, using: &random) {
      case 0...3:
        let address = UInt64.random(in: 1...3, using: &random)
        clients.append(ask(pool, address, [0, address * 10, address * 10 + 1].randomElement(using: &random) ?? 0))
      case 4: if let client = clients.randomElement(using: &random), !client.isOver, !client.isReady { pool.forget(client) }
      case 5: if let client = clients.randomElement(using: &random), !client.isOver { client.connection?.cancel() }
      case 6: backend.answer = Bool.random(using: &random) ? { _ in } : { $0.answerNext() }
      default: bench.loop.turn(atMost: 1)
      }
      bench.loop.turn(atMost: 0)
      check(pool)
    }
  }
}
