import Bytes
import HTTP
import Upstream

/// Sends one request over the connection it gets, and keeps what it is told.
final class TestClient: UpstreamClient {
  private let request: String
  private let method: HTTPMethod
  /// Ends the request at once; a test that says no calls `finish`.
  var endsAtOnce = true
  /// Writes nothing by itself.
  var isSilent = false

  var connection: UpstreamConnection?
  private(set) var isReady = false
  private(set) var wasReused = false
  private(set) var endpointIndex = -1
  private(set) var failure: UpstreamFailure?
  private(set) var failures = 0
  private(set) var heads: [Int] = []
  private(set) var body = ""
  private(set) var trailers: [String] = []
  private(set) var ends = 0
  var onBody: () -> Void = {}
  var onEnd: () -> Void = {}
  /// What it does when its pool is retired; nil leaves that to the class.
  var onWithdrawn: (() -> Void)?

  init(request: String, method: HTTPMethod) {
    self.request = request
    self.method = method
  }

  var isOver: Bool { ends > 0 || failure != nil }

  func send(_ text: String) {
    guard let connection else { return }
    connection.output.append(Array(text.utf8))
    connection.flush()
    if self.connection != nil { connection.requestProgressed() }
  }

  func finish() {
    connection?.requestEnded()
    connection?.flush()
  }

  override func upstreamOpening(_ leg: UpstreamLeg) {
    connection = leg.connection
    endpointIndex = leg.endpointIndex
  }

  override func upstreamReady(_ leg: UpstreamLeg, reused: Bool) {
    guard let connection = leg.connection else { return }
    self.connection = connection
    isReady = true
    wasReused = reused
    endpointIndex = connection.endpointIndex
    if isSilent { return }
    connection.output.append(Array(request.utf8))
    connection.begin(method: method)
    if endsAtOnce { connection.requestEnded() }
    connection.flush()
  }

  override func upstreamFailed(_ failure: UpstreamFailure) {
    self.failure = failure
    failures += 1
    connection = nil
  }

  override func upstreamHead(_ leg: UpstreamLeg, _ head: borrowing ResponseHead, bytes: UnsafeBufferPointer<UInt8>) {
    heads.append(Int(head.status))
  }

  override func upstreamBody(_ bytes: UnsafeBufferPointer<UInt8>) {
    body += String(decoding: bytes, as: UTF8.self)
    onBody()
  }

  override func upstreamTrailer(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
    trailers.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
  }

  override func upstreamWithdrawn() {
    if let onWithdrawn { onWithdrawn() } else { super.upstreamWithdrawn() }
  }

  override func upstreamEnded() {
    ends += 1
    connection = nil
    onEnd()
  }
}
