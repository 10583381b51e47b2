import Bytes
import HTTP
import HTTP2

/// A server's session and a client's, joined in memory.
final class Pair {
  static let pseudoHeaders: [(StaticString, StaticString)] = [
    (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/"),
  ]

  let serverOwner = Recorder()
  let clientOwner = Recorder()
  let serverPool: HTTP2StreamPool
  let clientPool: HTTP2StreamPool
  let server: HTTP2Session
  let client: HTTP2Session
  var now: UInt64 = 1_000_000
  /// Bytes a call to `receive` gets at once.
  var piece = Int.max
  var budget = Int.max / 2
  private(set) var serverBytes = 0
  private(set) var clientBytes = 0

  init(server serverLimits: HTTP2Limits = HTTP2Limits(), client clientLimits: HTTP2Limits = HTTP2Limits(abuse: .backend)) {
    let buffers = BufferPool()
    serverPool = HTTP2StreamPool(server: serverLimits.headerCount, buffers: buffers)
    clientPool = HTTP2StreamPool(client: clientLimits.headerCount, buffers: buffers)
    server = HTTP2Session(server: serverLimits, pool: serverPool, owner: serverOwner)
    client = HTTP2Session(client: clientLimits, pool: clientPool, owner: clientOwner)
    serverOwner.session = server
    clientOwner.session = client
  }

  /// Carries bytes both ways until there are none.
  func run() {
    while step() {}
  }

  /// One round: what the client has to say, then what the server has. False when there was nothing.
  @discardableResult
  func step() -> Bool {
    let fromClient = Pair.transfer(client, server, budget, piece, now)
    let fromServer = Pair.transfer(server, client, budget, piece, now)
    clientBytes += fromClient
    serverBytes += fromServer
    return fromClient + fromServer > 0
  }

  static func transfer(_ from: HTTP2Session, _ to: HTTP2Session, _ budget: Int, _ piece: Int, _ now: UInt64) -> Int {
    var queue = ByteQueue()
    from.pull(into: &queue, atMost: budget, now: now)
    from.settle()
    let count = queue.count
    while !queue.isEmpty {
      let bytes = queue.readable
      let size = min(piece, bytes.count)
      _ = to.receive(UnsafeBufferPointer(rebasing: bytes[..<size]), now: now)
      queue.consume(size)
    }
    return count
  }

  @discardableResult
  func request(
    _ method: HTTPMethod = .get, _ path: StaticString = "/", _ fields: [(StaticString, StaticString)] = [], endStream: Bool = true
  ) -> HTTP2Stream? {
    let stream = client.request(method: method, endStream: endStream) { sink in
      sink.field(":method", method.token)
      sink.field(":scheme", "https")
      sink.field(":authority", "example.com")
      sink.field(":path", path)
      for (name, value) in fields { sink.field(name, value) }
    }
    return stream
  }

  static func send(_ session: HTTP2Session, _ stream: HTTP2Stream, _ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { _ = session.send(stream, $0) }
  }
}
