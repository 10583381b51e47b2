import HTTP
import Testing
import Upstream

/// One connection: what responses come to, and what becomes of the connection.
struct UpstreamConnectionTests {
  private let bench: UpstreamBench
  private var backend: TestBackend { bench.backends[0] }

  init() throws { bench = try UpstreamBench() }

  /// The backend answers each head with `response`, then does what `after` says.
  private func script(_ response: String, bytewise: Bool = false, after: @escaping (TestBackendConnection) -> Void = { _ in }) {
    backend.answer = { connection in
      guard connection.takeHead() != nil else { return }
      if bytewise {
        // Each byte is a TLS record of its own.
        for byte in response.unicodeScalars { connection.write(String(byte)) }
      } else {
        connection.write(response)
      }
      after(connection)
    }
  }

  @Test(arguments: [false, true])
  func `A response of a known length is whole, and its connection is kept`(bytewise: Bool) throws {
    defer { bench.end() }
    script("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", bytewise: bytewise)
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.heads == [200])
    #expect(client.body == "hello")
    #expect(client.ends == 1)
    #expect(pool.idleConnections == 1)
    #expect(backend.received == ["GET / HTTP/1.1\r\nHost: orders\r\n\r\n"])
  }

  @Test(arguments: [false, true])
  func `A chunked response hands on data and trailers, and its connection is kept`(bytewise: Bool) throws {
    defer { bench.end() }
    script(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nGrpc-Status: 0\r\nX-Sum: 12\r\n\r\n",
      bytewise: bytewise)
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.body == "hello, world")
    #expect(client.trailers == ["Grpc-Status=0", "X-Sum=12"])
    #expect(client.ends == 1)
    #expect(pool.idleConnections == 1)
  }

  @Test(arguments: [false, true]) func `Interim responses come before the final one`(bytewise: Bool) throws {
    defer { bench.end() }
    script(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
      bytewise: bytewise)
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.heads == [100, 103, 201])
    #expect(client.body == "ok")
    #expect(pool.idleConnections == 1)
  }

  @Test(arguments: [
    ("HTTP/1.1 204 No Content\r\n\r\n", HTTPMethod.get), ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", .get),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .get), ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", .head),
  ])
  func `A response without content is whole with its head`(response: String, method: HTTPMethod) throws {
    defer { bench.end() }
    script(response)
    let pool = try bench.pool()
    let client = bench.finished(pool, method: method)
    #expect(client.ends == 1)
    #expect(client.body == "")
    #expect(pool.idleConnections == 1)
  }

  @Test func `A response that lasts until the close is whole when the backend says goodbye`() throws {
    defer { bench.end() }
    script("HTTP/1.1 200 OK\r\n\r\nall of it") { $0.end() }
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.body == "all of it")
    #expect(client.ends == 1)
    #expect(pool.openConnections == 0)
  }

  @Test func `A response that lasts until the close is cut short when the connection just ends`() throws {
    defer { bench.end() }
    script("HTTP/1.1 200 OK\r\n\r\npart of it") { $0.close() }
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.body == "part of it")
    #expect(client.ends == 0)
    #expect(client.failure?.kind == .reset)
    #expect(client.failure?.responseStarted == true)
    #expect(client.failure?.requestUnsent == false)
    #expect(pool.openConnections == 0)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  ])
  func `A response that breaks off is a reset, goodbye or not`(response: String) throws {
    for saysGoodbye in [false, true] {
      let bench = try UpstreamBench()
      defer { bench.end() }
      bench.backends[0].answer = { connection in
        guard connection.takeHead() != nil else { return }
        connection.write(response)
        if saysGoodbye { connection.end() } else { connection.close() }
      }
      let client = bench.finished(try bench.pool())
      #expect(client.body == "hello")
      #expect(client.failure?.kind == .reset)
      #expect(client.failure?.responseStarted == true)
      #expect(client.ends == 0)
    }
    bench.end()
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/2 200\r\n\r\n", "nonsense\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  ])
  func `A response that breaks the rules is refused and its connection closed`(response: String) throws {
    defer { bench.end() }
    script(response)
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.failure?.kind == .protocol)
    #expect(client.failure?.responseStarted == true)
    #expect(client.failures == 1)
    #expect(pool.openConnections == 0)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    // Bytes beyond the response belong to nobody.
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
  ])
  func `A connection that may not be used again is closed`(response: String) throws {
    defer { bench.end() }
    script(response)
    let pool = try bench.pool()
    let client = bench.finished(pool)
    #expect(client.body == "ok")
    #expect(client.ends == 1)
    #expect(pool.openConnections == 0)
  }

  @Test func `Bytes that nobody asked for end a pooled connection`() throws {
    defer { bench.end() }
    let pool = try bench.pool()
    _ = bench.finished(pool)
    #expect(pool.idleConnections == 1)
    backend.connections[0].write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    bench.turn { pool.openConnections == 0 }
    #expect(pool.idleConnections == 0)
    let next = bench.finished(pool)
    #expect(next.body == "ok")
    #expect(!next.wasReused)
  }

  @Test func `A response before the request is complete reaches the client, and the connection is not used again`() throws {
    defer { bench.end() }
    script("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
    let pool = try bench.pool()
    let client = bench.client(pool, request: "POST / HTTP/1.1\r\nHost: o\r\nContent-Length: 9\r\n\r\nabc", method: .post) {
      $0.endsAtOnce = false
    }
    bench.turn { client.isOver }
    #expect(client.heads == [413])
    #expect(client.body == "no")
    #expect(pool.openConnections == 0)
  }

  @Test func `A request's content follows its head, and only its end starts the wait for an answer`() throws {
    defer { bench.end() }
    backend.answer = { connection in
      if connection.text.hasSuffix("defghi") { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
    }
    let pool = try bench.pool { $0.responseTimeout = 300 }
    let client = bench.client(pool, request: "POST / HTTP/1.1\r\nHost: o\r\nContent-Length: 9\r\n\r\nabc", method: .post) {
      $0.endsAtOnce = false
    }
    bench.turn { backend.received.first?.hasSuffix("abc") == true }
    // Longer than the backend may take to answer: the client's pace is not its fault.
    for _ in 0..<12 where !client.isOver { bench.loop.turn(atMost: 50) }
    #expect(!client.isOver)
    client.send("defghi")
    client.finish()
    bench.turn { client.isOver }
    #expect(client.body == "ok")
    #expect(pool.idleConnections == 1)
  }

  @Test func `A client that has no more interest ends the connection and hears nothing more`() throws {
    defer { bench.end() }
    script("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    let pool = try bench.pool()
    let client = bench.client(pool) { client in client.onBody = { [unowned client] in client.connection?.cancel() } }
    bench.turn { pool.openConnections == 0 && client.body == "hello" }
    bench.settle()
    #expect(client.failures == 0)
    #expect(client.ends == 0)
    #expect(pool.openConnections == 0)
  }

  @Test(arguments: [
    "Content-Length: 10\r\n\r\nhelloworld", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\na\r\nhelloworld\r\n0\r\n\r\n",
  ])
  func `Content is handed over once, though its client takes a rest and goes on within the call`(rest: String) throws {
    let bench = try UpstreamBench()
    defer { bench.end() }
    bench.backends[0].answer = { connection in
      while connection.takeHead() != nil { connection.write("HTTP/1.1 200 OK\r\n" + rest) }
    }
    let pool = try bench.pool()
    for number in 0..<2 {
      let client = bench.client(pool) { client in
        client.onBody = { [unowned client] in
          client.connection?.pauseReading()
          client.connection?.resumeReading()
        }
      }
      bench.turn { client.isOver }
      #expect(client.body == "helloworld" && client.ends == 1 && client.failures == 0)
      #expect(client.wasReused == (number == 1))
    }
    #expect(pool.openConnections == 1 && pool.idleConnections == 1)
  }

  @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
  func `A paused response waits in the connection, and goes on where it was`(head: String) throws {
    defer { bench.end() }
    let content = head.contains("chunked") ? "6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n" : "hello world!"
    script(head + content)
    let pool = try bench.pool()
    let client = bench.client(pool) { client in client.onBody = { [unowned client] in client.connection?.pauseReading() } }
    bench.turn { !client.body.isEmpty }
    bench.settle()
    if head.contains("chunked") {
      #expect(client.body == "hello ")
      client.connection?.resumeReading()
      #expect(client.body == "hello world!")
      #expect(client.ends == 0)
      client.connection?.resumeReading()
    }
    #expect(client.body == "hello world!")
    #expect(client.ends == 1)
    #expect(pool.idleConnections == 1)
    // And carries the next request.
    let next = bench.client(pool) { $0.onBody = {} }
    bench.turn { next.isOver }
    #expect(next.body == "hello world!")
    #expect(next.wasReused)
  }
}
