import HTTP
import Testing

@testable import Upstream

@Suite struct ResponseDrainTests {
  @Test func whatEndsInTimeIsRead() {
    #expect(ResponseDrain.allows(.head))
    #expect(ResponseDrain.allows(.unknown))
    #expect(ResponseDrain.allows(.known(0)))
    #expect(ResponseDrain.allows(.known(ResponseDrain.bytes)))
    #expect(!ResponseDrain.allows(.known(ResponseDrain.bytes + 1)))
    #expect(!ResponseDrain.allows(.known(.max)))
    #expect(!ResponseDrain.allows(.endless))
  }

  @Test func contentIsCounted() {
    var drain = ResponseDrain()
    let (first, next) = (drain.take(Int(ResponseDrain.bytes)), drain.take(1))
    #expect(first)
    #expect(!next)
  }
}

/// Requests that are given up, over real sockets.
@Suite struct CancelledRequestTests {
  private let bench: UpstreamBench

  init() throws { bench = try UpstreamBench() }

  @Test func halfOfTheConnectionsReadForNobody() throws {
    defer { bench.end() }
    let pool = try bench.pool { $0.connectionLimit = 4 }
    // Never answered.
    bench.backends[0].answer = { _ in }
    let clients = (0..<4).map { _ in bench.client(pool) }
    bench.turn { clients.allSatisfy(\.isReady) }
    bench.settle()
    for client in clients { client.connection?.cancel() }
    #expect(pool.draining == 2)
    bench.settle()
    #expect(pool.openConnections == 2)
    // Their time is bounded as well.
    bench.turn { pool.openConnections == 0 }
    #expect(pool.openConnections == 0)
    #expect(pool.draining == 0)
    #expect(clients.allSatisfy { $0.failures == 0 && $0.ends == 0 })
  }
}
