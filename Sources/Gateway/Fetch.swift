import Bytes
import HTTP
import HTTP1
import Reactor
import Upstream

/// One request of the gateway's own, on the control thread: a key set, a discovery document, a token's introspection.
///
/// The same connections, TLS checks and parsing as for requests that are forwarded. Nothing of a response is believed beyond its
/// bounds in bytes and time.
final class Fetch: UpstreamClient {
  struct Request {
    var method = HTTPMethod.get
    var url: HTTPSURL
    /// Names and values, clean of CR and LF.
    var fields: [(name: StaticString, value: [UInt8])] = []
    var content: [UInt8]?
    /// Bytes of content that are taken.
    var maximum: Int
    /// Milliseconds for all of it.
    var timeout = 5_000
  }

  struct Response {
    var status: UInt16 = 0
    var etag: [UInt8]?
    var cacheControl: [UInt8] = []
    var location: [UInt8]?
    var content: [UInt8] = []
  }

  enum Outcome {
    case answered(Response)
    /// For the log.
    case failed(String)
  }

  private let pool: BackendPool
  private let request: Request
  private let completion: (Outcome) -> Void
  private var leg: UpstreamLeg?
  private var response = Response()
  private var timer: LoopTimer?
  private var mayRetry = true

  /// Starts at once; `completion` is called exactly once, perhaps before this returns.
  static func start(_ request: Request, on pool: BackendPool, _ completion: @escaping (Outcome) -> Void) {
    Fetch(request, pool, completion).begin()
  }

  private init(_ request: Request, _ pool: BackendPool, _ completion: @escaping (Outcome) -> Void) {
    self.request = request
    self.pool = pool
    self.completion = completion
    super.init()
  }

  private func begin() {
    // The timer holds this object, and the loop the timer: until the end of the turn in which it is closed.
    let timer = LoopTimer(loop: pool.loop) { self.giveUp("no whole answer in \(self.request.timeout / 1000) s") }
    self.timer = timer
    timer.setDeadline(request.timeout)
    pool.acquire(for: self)
  }

  private func giveUp(_ reason: String) {
    if let leg {
      self.leg = nil
      leg.cancel()
    } else {
      pool.forget(self)
    }
    finish(.failed(reason))
  }

  private func finish(_ outcome: Outcome) {
    guard let timer else { return }
    leg = nil
    self.timer = nil
    timer.close()
    completion(outcome)
  }

  // MARK: UpstreamClient

  override func upstreamOpening(_ leg: UpstreamLeg) { self.leg = leg }

  override func upstreamReady(_ leg: UpstreamLeg, reused: Bool) {
    guard timer != nil else { return leg.cancel() }
    self.leg = leg
    guard case .http1(let connection) = leg else { return giveUp("the server speaks HTTP/2 although nobody asked") }
    connection.output.borrow(from: pool.buffers)
    write(&connection.output)
    connection.begin(method: request.method)
    connection.requestEnded()
    connection.flush()
  }

  private func write(_ out: inout ByteQueue) {
    out.append(request.method == .post ? "POST " : "GET ")
    out.append(Array(request.url.target.utf8))
    out.append(" HTTP/1.1\r\n")
    field("Host", Array(request.url.authority.utf8), &out)
    field("User-Agent", Array("gatehouse".utf8), &out)
    for (name, value) in request.fields { field(name, value, &out) }
    if let content = request.content { HeadWriter.field("Content-Length", decimal: UInt64(content.count), into: &out) }
    out.append("\r\n")
    if let content = request.content { out.append(content) }
  }

  private func field(_ name: StaticString, _ value: [UInt8], _ out: inout ByteQueue) {
    HeadWriter.field(name, value.span, into: &out)
  }

  override func upstreamHead(_ leg: UpstreamLeg, _ head: borrowing ResponseHead, bytes: UnsafeBufferPointer<UInt8>) {
    guard !head.isInterim else { return }
    response.status = head.status
    response.etag = Self.value("etag", head, bytes)
    response.cacheControl = Self.value("cache-control", head, bytes) ?? []
    response.location = Self.value("location", head, bytes)
  }

  private static func value(
    _ name: StaticString, _ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> [UInt8]? {
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      if ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: bytes[field.name.bounds]), name) { return Array(bytes[field.value.bounds]) }
    }
    return nil
  }

  override func upstreamBody(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard response.content.count + bytes.count <= request.maximum else {
      return giveUp("the answer has more than \(request.maximum) bytes")
    }
    response.content += bytes
  }

  override func upstreamEnded() { finish(.answered(response)) }

  override func upstreamFailed(_ failure: UpstreamFailure) {
    leg = nil
    // A pooled connection that the server had closed: another is asked once, nothing was answered.
    if failure.connectionReused, !failure.responseStarted, mayRetry {
      mayRetry = false
      return pool.acquire(for: self)
    }
    finish(.failed("\(failure.kind)" + (failure.cause.map { ": \($0.text)" } ?? "")))
  }
}
