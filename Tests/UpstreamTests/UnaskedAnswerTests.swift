import HTTP
import Testing
import Upstream

/// What a backend says without having been asked: it ends the connection, and is nobody's answer.
struct UnaskedAnswerTests {
  private let bench: UpstreamBench
  private var backend: TestBackend { bench.backends[0] }
  private static let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

  init() throws { bench = try UpstreamBench() }

  /// Answers the first request of each connection twice, in records of their own, and both before the other side reads.
  private func answerTwice(_ response: String, unasked: String = forged) {
    backend.answer = { connection in
      guard connection.takeHead() != nil else { return }
      connection.write(response)
      connection.write(unasked)
    }
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", HTTPMethod.get, "ok"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", .get, "ok"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", .head, ""), ("HTTP/1.1 304 Not Modified\r\n\r\n", .get, ""),
  ])
  func `Those who wait for the connection get another`(response: String, method: HTTPMethod, body: String) throws {
    defer { bench.end() }
    for unasked in [Self.forged, "garbage\r\n\r\n", "\n"] {
      answerTwice(response, unasked: unasked)
      let pool = try bench.pool { $0.connectionLimit = 1 }
      let clients = (0..<4).map { _ in bench.client(pool, method: method) }
      bench.turn { clients.allSatisfy(\.isOver) }
      #expect(clients.map(\.body) == Array(repeating: body, count: 4))
      #expect(clients.map(\.ends) == [1, 1, 1, 1])
      bench.settle()
      #expect(pool.openConnections == 0)
    }
    #expect(backend.connections.count == 12)
  }

  /// A client that asks again as soon as it is answered, within the very event.
  @Test func `Whoever asks at once gets another connection`() throws {
    defer { bench.end() }
    answerTwice("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    let pool = try bench.pool()
    var next: TestClient?
    let first = bench.client(pool) { client in client.onEnd = { next = bench.client(pool) } }
    bench.turn { first.isOver && next?.isOver == true }
    #expect(next?.body == "ok")
    #expect(next?.wasReused == false)
  }

  /// The backend speaks between two turns of the loop's, and the request comes before the loop could tell.
  @Test func `What has come to an idle connection is looked for before it is used`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    let clients = (0..<2).map { _ in bench.client(pool) }
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(pool.idleConnections == 2)
    bench.settle()
    for connection in backend.connections { connection.write(Self.forged) }
    // Within a turn requests rely on what the loop was told a moment ago; these look.
    let late = (0..<2).map { _ in bench.client(pool) }
    bench.turn { late.allSatisfy(\.isOver) }
    for client in late {
      #expect(client.body == "ok")
      #expect(!client.wasReused)
    }
  }

  /// An answer on one connection, whose client asks again at once, and behind it what nobody has asked for on another: both are told of
  /// in one turn.
  @Test func `A connection that is still to be heard of in this turn is nobody's`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    let clients = (0..<2).map { _ in bench.client(pool) }
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(pool.idleConnections == 2)
    let answer = backend.answer
    backend.answer = { _ in }
    var next: TestClient?
    let first = bench.client(pool) { client in client.onEnd = { next = bench.client(pool) } }
    bench.settle()
    backend.answer = answer
    let busy = try #require(backend.connections.first { $0.takeHead() != nil })
    let other = try #require(backend.connections.first { $0 !== busy })
    busy.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    other.write(Self.forged)
    bench.turn { first.isOver && next?.isOver == true }
    #expect(first.body == "ok")
    #expect(next?.body == "ok")
  }

  /// The connection was looked at and handed over, and its socket takes nothing yet.
  @Test func `What comes before the request has left is not its answer`() throws {
    defer { bench.end() }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    _ = bench.finished(pool)
    let client = bench.client(pool) { $0.isSilent = true }
    let connection = try #require(client.connection)
    #expect(client.wasReused)
    connection.output.append(Array("GET / HTTP/1.1\r\nHost: orders\r\n\r\n".utf8))
    connection.begin(method: .get)
    backend.connections[0].write(Self.forged)
    bench.turn { client.isOver }
    #expect(client.heads.isEmpty)
    #expect(client.failure?.kind == .reset)
    #expect(client.failure?.requestUnsent == true)
    #expect(client.failure?.responseStarted == false)
    #expect(pool.openConnections == 0)
  }

  @Test func `A session ticket behind an answer is no reason to close`() throws {
    defer { bench.end() }
    let pool = try bench.pool { $0.connectionLimit = 1 }
    let clients = (0..<4).map { _ in bench.client(pool) }
    bench.turn { clients.allSatisfy(\.isOver) }
    #expect(clients.map(\.body) == ["ok", "ok", "ok", "ok"])
    #expect(backend.connections.count == 1)
  }
}
