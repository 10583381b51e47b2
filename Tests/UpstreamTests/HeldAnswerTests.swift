import Bytes
import HTTP
import Limits
import Reactor
import Testing
import Upstream

/// What is kept of answers over HTTP/2 that come faster than their clients take them: how much memory that is, and of what.
final class HeldAnswerTests {
  private let bench: UpstreamBench
  private let backend: TestBackend
  private static let block = BufferPool.blockSize

  init() throws {
    bench = try UpstreamBench()
    backend = bench.backends[0]
  }

  deinit { bench.end() }

  private func pool(_ connections: Int) throws -> BackendPool {
    try bench.pool {
      $0.connectionLimit = connections
      $0.pendingLimit = 100
      $0.protocols = .http2
    }
  }

  private func ask(_ pool: BackendPool, _ number: UInt64 = 1) -> SlowClient {
    let client = SlowClient()
    client.origin = ClientOrigin(address: ClientAddress(high: 0, low: number), connection: 0)
    pool.acquire(for: client)
    return client
  }

  private func check(_ pool: BackendPool) {
    let fault = pool.fault(among: bench.loop.channels().compactMap { $0 as? UpstreamConnection })
    #expect(fault == nil)
  }

  @Test func `A client that has taken all but the last of an answer has the gateway hold no more than that`() throws {
    backend.answer = { $0.answerOverHTTP2(bytes: 16 * Self.block) }
    let pool = try pool(4)
    let client = ask(pool)
    bench.turn { client.hasAll(of: 16) }
    let stream = try #require(client.stream)
    #expect(client.hasAll(of: 16))
    while stream.heldBytes > Self.block {
      client.take(1)
      #expect(stream.allocatedBytes < 4 * stream.heldBytes || stream.allocatedBytes == Self.block)
    }
    #expect(stream.heldBytes > 0)
    #expect(stream.allocatedBytes == Self.block)
    check(pool)
    client.take(1)
    bench.turn { client.isOver }
    #expect(client.got == 16 * Self.block)
    #expect(client.failure == nil)
    check(pool)
  }

  @Test func `An answer that outlives its connection keeps nothing of it`() throws {
    backend.answer = { if $0.answerOverHTTP2(bytes: 16 * Self.block) { $0.sayGoodbye() } }
    let pool = try pool(4)
    let client = ask(pool)
    bench.turn { pool.left > 0 }
    let stream = try #require(client.stream)
    // In as many blocks as there are of it.
    #expect(client.hasAll(of: 16))
    #expect(stream.allocatedBytes < stream.heldBytes + Self.block)
    #expect(pool.left == stream.allocatedBytes)
    bench.turn { client.connection == nil }
    #expect(client.connection == nil)
    #expect(stream.connection == nil)
    check(pool)
    // What it counts is what it takes.
    while stream.heldBytes > Self.block {
      client.take(1)
      #expect(pool.left == stream.allocatedBytes)
      check(pool)
    }
    #expect(pool.left == Self.block)
    client.take(1)
    #expect(client.isOver)
    #expect(client.got == 16 * Self.block)
    #expect(client.failure == nil)
    #expect(pool.left == 0)
    check(pool)
  }

  @Test func `Answers that many connections leave take the place of others by what they hold`() throws {
    backend.answer = { if $0.answerOverHTTP2(bytes: 5 * Self.block) { $0.sayGoodbye() } }
    let pool = try pool(1)
    var clients: [SlowClient] = []
    // As much as one connection's window; then none may be made.
    while pool.left < 4 << 20, clients.count < 100 {
      let before = pool.left
      let client = ask(pool, UInt64(clients.count + 1))
      clients.append(client)
      bench.turn { pool.left > before }
      #expect(client.hasAll(of: 5))
      bench.turn { client.connection == nil }
    }
    #expect(clients.allSatisfy { $0.connection == nil && !$0.isOver })
    #expect(pool.left == clients.reduce(0) { $0 + ($1.stream?.allocatedBytes ?? 0) })
    #expect(pool.left >= 4 << 20 && pool.left < (4 << 20) + 5 * Self.block)
    check(pool)
    let late = ask(pool, 1_000)
    bench.settle()
    #expect(late.stream == nil && late.failure == nil)
    clients[0].take(10)
    #expect(clients[0].isOver)
    bench.turn { late.stream != nil }
    #expect(late.stream != nil)
    check(pool)
    bench.turn { late.hasAll(of: 5) && late.connection == nil }
    for client in clients + [late] { client.cancel() }
    #expect(pool.left == 0)
    check(pool)
  }

  @Test func `Whoever gives up an answer that was left behind gives all of it back`() throws {
    backend.answer = { if $0.answerOverHTTP2(bytes: 16 * Self.block) { $0.sayGoodbye() } }
    let pool = try pool(4)
    let client = ask(pool)
    bench.turn { pool.left > 0 }
    #expect(pool.left > 0)
    client.cancel()
    #expect(pool.left == 0)
    check(pool)
  }
}

/// Sends a request over HTTP/2 and takes no more of the answer than a block at a time, when it is told to.
private final class SlowClient: UpstreamClient {
  private(set) var stream: UpstreamStream?
  private var leg: UpstreamLeg?
  /// Seen, not held.
  private(set) weak var connection: UpstreamConnection?
  private(set) var got = 0
  private(set) var failure: UpstreamFailure?
  private(set) var isOver = false
  private var wanted = 1

  /// So many blocks have come, taken or not.
  func hasAll(of blocks: Int) -> Bool { got + (stream?.heldBytes ?? 0) == blocks * BufferPool.blockSize }

  func take(_ runs: Int) {
    wanted += runs
    leg?.goOn()
  }

  func cancel() {
    leg?.cancel()
    leg = nil
    stream = nil
  }

  override func upstreamReady(_ leg: UpstreamLeg, reused: Bool) {
    guard case .http2(let stream) = leg else { return }
    self.stream = stream
    self.leg = leg
    connection = stream.connection
    stream.begin(method: .get, endStream: true, isTunnel: false) {
      $0.field(":method", "GET")
      $0.field(":scheme", "https")
      $0.field(":authority", "orders")
      $0.field(":path", "/")
    }
    leg.flush()
  }

  override func upstreamBody(_ bytes: UnsafeBufferPointer<UInt8>) {
    got += bytes.count
    wanted -= 1
    if wanted == 0 { leg?.holdBack() }
  }

  override func upstreamEnded() { isOver = true }

  override func upstreamFailed(_ failure: UpstreamFailure) {
    self.failure = failure
    isOver = true
  }
}

extension TestBackendConnection {
  /// Answers the first request of an HTTP/2 connection, when its head has come, with so much content in frames of a block each.
  @discardableResult
  fileprivate func answerOverHTTP2(bytes count: Int) -> Bool {
    // Behind the preface (RFC 9113 section 3.4).
    var rest = bytes.dropFirst(24)
    var hasHead = false
    while rest.count >= 9 {
      let frame = Array(rest.prefix(9))
      let length = Int(frame[0]) << 16 | Int(frame[1]) << 8 | Int(frame[2])
      guard rest.count >= 9 + length else { break }
      if frame[3] == 1 { hasHead = true }
      rest = rest.dropFirst(9 + length)
    }
    guard hasHead, !isAnswered else { return false }
    isAnswered = true
    // SETTINGS, the acknowledgement of the other's, and `:status: 200` (RFC 7541 appendix A).
    var answer: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88]
    var left = count
    while left > 0 {
      let size = min(left, BufferPool.blockSize)
      left -= size
      answer += [UInt8(size >> 16), UInt8(size >> 8 & 255), UInt8(size & 255), 0, left == 0 ? 1 : 0, 0, 0, 0, 1]
      answer += Array(repeating: 0x78, count: size)
    }
    write(answer)
    return true
  }
}
