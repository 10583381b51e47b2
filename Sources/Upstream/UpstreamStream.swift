import Bytes
import HTTP
import HTTP2

/// One request on an HTTP/2 connection to a backend. The object serves one after another on the same connection, but only when nobody
/// else holds it.
public final class UpstreamStream {
  /// What it is a stream of: nil when that is gone and the last of the answer is still here. For a rest of some bytes nobody keeps what a
  /// connection consists of.
  private var owner: UpstreamSession?
  private var session: HTTP2Session?
  private let pool: BackendPool
  let endpointIndex: Int
  /// Who is served; nil when nobody is any more.
  package var client: UpstreamClient?
  private var stream: HTTP2Stream?
  /// Among the connection's streams.
  var slot: SlotID?
  /// Response content that the client does not take yet; never more than the stream's window, and that of all streams never more than the
  /// connection's, whether they have ended or not.
  private var waiting = ByteQueue()
  /// How much of it counts against the connection's window though its stream has ended.
  private var kept = 0
  /// How much of it is its client's in the pool's account of windows.
  private(set) var counted = 0
  /// What it takes of the pool's room, when its connection is gone and its client has not taken all of it.
  private var behind = 0
  private var isHandingOver = false
  private var patience = BackendPatience()
  /// What its client has in the pool's account.
  var charge = Charge.none
  private var isEnded = false
  private var responseStarted = false
  private var requestComplete = false
  private var requestWritten = false
  private var isTunnel = false
  private var interim = InterimBounds()
  /// Waits for the backend's SETTINGS, which say whether it takes extended CONNECT; the value is `upstreamReady`'s.
  private var awaitsSettings: Bool?
  /// When the present wait is over, in ms of the loop's clock; 0 for no bound.
  private(set) var deadline: UInt64 = 0
  /// Something was handed over in this event.
  var isTouched = false

  init(_ owner: UpstreamSession, client: UpstreamClient) {
    self.owner = owner
    session = owner.session
    pool = owner.connection.pool
    endpointIndex = owner.connection.endpointIndex
    self.client = client
  }

  /// Readies it for another request.
  func reopen(for client: UpstreamClient) {
    self.client = client
    stream = nil
    drop()
    if !trailers.isEmpty { trailers = [] }
    patience = BackendPatience()
    isEnded = false
    responseStarted = false
    requestComplete = false
    requestWritten = false
    isTunnel = false
    interim = InterimBounds()
    awaitsSettings = nil
    deadline = 0
    isTouched = false
  }

  package var connection: UpstreamConnection? { owner?.connection }
  private var backend: Backend { pool.backend }

  // MARK: The request

  /// Sends the head. `write` gives the pseudo-headers first.
  package func begin(
    method: HTTPMethod, endStream: Bool, isTunnel: Bool, expectsContinue: Bool = false, _ write: (inout FieldSink) -> Void
  ) {
    interim = InterimBounds(expectsContinue: expectsContinue)
    stream = session?.request(method: method, endStream: endStream, isTunnel: isTunnel, ownerSlot: slot, write)
    requestWritten = stream != nil
    requestComplete = endStream
    if stream == nil {
      owner?.forget(self)
      fail(UpstreamFailure(.reset, requestUnsent: true, connectionReused: true))
    } else if endStream || isTunnel {
      arm(backend.responseTimeout)
    }
  }

  // MARK: Tunnels

  /// Puts the request off until the backend has said what it takes (RFC 8441 section 3).
  func awaitSettings(reused: Bool) {
    guard session?.settingsReceived == false else { return refuseTunnel() }
    awaitsSettings = reused
    arm(backend.connectTimeout)
  }

  func settingsReceived() {
    guard let reused = awaitsSettings, let client else { return }
    guard !pool.isRetired else { return withdraw() }
    awaitsSettings = nil
    deadline = 0
    guard session?.peerTakesTunnels == true else { return refuseTunnel() }
    client.upstreamReady(.http2(self), reused: reused)
  }

  /// A reload has withdrawn what the connection was made by: what has not begun on it does not.
  func withdraw() {
    guard awaitsSettings != nil, let client else { return }
    awaitsSettings = nil
    deadline = 0
    self.client = nil
    owner?.forget(self)
    client.upstreamWithdrawn()
  }

  private func refuseTunnel() {
    owner?.forget(self)
    fail(UpstreamFailure(.protocol, requestUnsent: true))
  }

  func tunnelOpened() {
    isTunnel = true
    arm(backend.tunnelTimeout)
  }

  func tunnelEnded() {
    guard let stream, !requestComplete else { return }
    requestComplete = true
    session?.end(stream)
    connection?.awaitTurnEnd()
    arm(min(UpstreamConnection.tunnelLinger, backend.tunnelTimeout))
  }

  /// Bounds the silence between parts of the response.
  private func armIdle() { arm(isTunnel ? backend.tunnelTimeout : backend.idleTimeout) }

  var isCongested: Bool { (stream?.pendingOutput ?? 0) > UpstreamConnection.highWater }

  func content(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let stream else { return }
    session?.send(stream, bytes)
    if isTunnel { return armIdle() }
    arm(stream.pendingOutput == 0 ? 0 : backend.idleTimeout)
  }

  func trailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    guard let stream else { return }
    session?.trailer(stream, name, value)
  }

  func requestEnded() {
    guard let stream, !requestComplete else { return }
    requestComplete = true
    session?.end(stream)
    arm(responseStarted ? backend.idleTimeout : backend.responseTimeout)
  }

  func flush() { connection?.awaitTurnEnd() }

  func cancel() {
    client = nil
    deadline = 0
    drop()
    if let stream { owner?.reset(stream, .cancel) } else { owner?.forget(self) }
    connection?.awaitTurnEnd()
  }

  // MARK: The response

  func responseHead(_ stream: HTTP2Stream, endStream: Bool) {
    guard stream === self.stream, let client else { return }
    owner?.touch(self)
    let isInterim = stream.responseHead.isInterim
    if isInterim {
      guard interim.allow(stream.responseHead.status, stream.headBytes.count) else {
        owner?.reset(stream, .protocolError)
        return fail(UpstreamFailure(.protocol, requestUnsent: false, connectionReused: isReused, responseStarted: true))
      }
    } else {
      responseStarted = true
      armIdle()
    }
    stream.headBytes.readable.withMemoryRebound(to: UInt8.self) { client.upstreamHead(.http2(self), stream.responseHead, bytes: $0) }
    if endStream, !isInterim { ended() }
  }

  func content(received bytes: UnsafeBufferPointer<UInt8>, on stream: HTTP2Stream) {
    guard stream === self.stream else { return }
    guard let client else {
      session?.discardContent(stream)
      return
    }
    owner?.touch(self)
    armIdle()
    guard !patience.isHeld, waiting.isEmpty else {
      waiting.borrow(from: pool.buffers)
      waiting.append(bytes)
      counted &+= bytes.count
      pool.windows.take(bytes.count, for: charge.origin)
      return
    }
    client.upstreamBody(bytes)
    session?.consume(stream, bytes.count)
  }

  func trailer(received name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    // Behind content that waits a trailer would overtake it; the window that is held back makes that rare, and it is kept.
    if waiting.isEmpty { client?.upstreamTrailer(name: name, value: value) } else { trailers.append((Array(name), Array(value))) }
  }

  private var trailers: [(name: [UInt8], value: [UInt8])] = []

  func ended() {
    isEnded = true
    owner?.touch(self)
    if waiting.isEmpty { complete() }
  }

  private func complete() {
    guard let client else { return }
    for (name, value) in trailers {
      name.withUnsafeBufferPointer { name in value.withUnsafeBufferPointer { client.upstreamTrailer(name: name, value: $0) } }
    }
    self.client = nil
    deadline = 0
    // The answer is whole and the request is not: what is left of it nobody reads (RFC 9113 section 8.1).
    if !requestComplete, let stream { owner?.reset(stream, .noError) }
    client.upstreamEnded()
    // It stayed for what it held.
    if stream == nil { owner?.forget(self) }
  }

  func holdBack() {
    patience.hold()
    deadline = 0
  }

  func goOn() {
    guard let wait = patience.goOn() else { return }
    set(isEnded ? 0 : wait)
    guard !isHandingOver else { return }
    isHandingOver = true
    // The stream may be closed by now; what it brought is not lost with it.
    while !waiting.isEmpty, !patience.isHeld, let client {
      let run = UnsafeBufferPointer(rebasing: waiting.readable.prefix(BufferPool.blockSize))
      client.upstreamBody(run)
      let count = run.count
      waiting.consume(count)
      waiting.shrink(with: pool.buffers)
      taken(count)
    }
    isHandingOver = false
    if client == nil { drop() }
    if waiting.isEmpty {
      waiting.giveBack(to: pool.buffers)
      if isEnded { complete() }
    }
    connection?.awaitTurnEnd()
  }

  func drained() { client?.upstreamDrained() }

  /// Not over, or not begun.
  var isUnderWay: Bool { stream != nil || awaitsSettings != nil }

  /// Bytes of content that wait for the client.
  package var heldBytes: Int { waiting.count }
  /// Bytes of memory that it has for them.
  package var allocatedBytes: Int { waiting.allocated }

  /// So many bytes of what waited do so no longer: the backend may send as many more.
  private func taken(_ count: Int) {
    giveBack(min(count, counted))
    if behind > 0 { return takenBehind() }
    if let stream {
      session?.consume(stream, count)
      return
    }
    let count = min(count, kept)
    kept &-= count
    session?.consumeKept(count)
  }

  /// The connection is gone. False if nothing is left for its client to take.
  func stayBehind() -> Bool {
    guard isEnded, !waiting.isEmpty else { return false }
    owner = nil
    session = nil
    // Somebody looks at it otherwise.
    if !isHandingOver { waiting.fit(with: pool.buffers) }
    behind = pool.leave(memoryBehind, charge)
    return true
  }

  /// What it holds counts by the memory that it takes: there is no window any more that would bound it by its bytes.
  private var memoryBehind: Int { trailers.reduce(waiting.allocated) { $0 &+ $1.name.count &+ $1.value.count } }

  private func takenBehind() {
    behind = pool.keep(waiting.isEmpty ? 0 : memoryBehind, of: behind)
    if waiting.isEmpty { pool.forget(giveUp()) }
  }

  /// What its client had of the connections; it has nothing more of the pool's accounts.
  func giveUp() -> Charge {
    giveBack(counted)
    defer { charge = .none }
    return charge
  }

  private func giveBack(_ count: Int) {
    guard count > 0 else { return }
    counted &-= count
    pool.giveWindow(count, from: charge.origin)
  }

  /// Nobody wants what waits any more.
  private func drop() {
    guard !isHandingOver else { return }
    let count = waiting.count
    if count > 0 {
      waiting.removeAll()
      taken(count)
    }
    waiting.giveBack(to: pool.buffers)
  }

  // MARK: Ends

  private func arm(_ milliseconds: Int) { set(patience.expect(milliseconds)) }

  private func set(_ milliseconds: Int) {
    deadline = 0
    guard milliseconds > 0, let owner else { return }
    deadline = owner.now &+ UInt64(milliseconds)
    owner.wake(at: deadline)
  }

  func timeIsUp() {
    // All of the connection's window is held by clients who do not take what they have got: the backend may not speak.
    if responseStarted, stream != nil, session?.isWindowSpent == true { return armIdle() }
    let timeout = presentTimeout
    if stream == nil { owner?.forget(self) }
    fail(UpstreamFailure(.timeout, requestUnsent: false, responseStarted: responseStarted, cause: .timeout, timeout: timeout))
    if let stream { owner?.reset(stream, .cancel) }
  }

  private var presentTimeout: BackendTimeout {
    if awaitsSettings != nil { return .connect }
    if isTunnel { return requestComplete ? .close : .tunnel }
    if responseStarted { return .idle }
    // Content that it does not take.
    return !requestComplete && (stream?.pendingOutput ?? 0) > 0 ? .idle : .response
  }

  /// The backend ended the stream before the response was whole.
  func reset(_ code: HTTP2ErrorCode) {
    // REFUSED_STREAM is the backend's word that it did nothing (RFC 9113 section 8.7).
    let unsent = !requestWritten || code == .refusedStream
    let kind: UpstreamFailure.Kind = code == .protocolError ? .protocol : .reset
    fail(
      UpstreamFailure(
        kind, requestUnsent: unsent, connectionReused: unsent || isReused, responseStarted: responseStarted, cause: .closed))
  }

  /// Others were carried before it.
  private var isReused: Bool { connection.map { $0.carried > 1 } ?? false }

  func fail(_ failure: UpstreamFailure) {
    deadline = 0
    guard let client else { return }
    self.client = nil
    drop()
    client.upstreamFailed(failure)
  }

  /// nghttp2 has forgotten the stream.
  func closed(_ kind: UpstreamFailure.Kind = .reset) {
    if let stream, isEnded, !waiting.isEmpty { kept = session?.keepContent(of: stream) ?? 0 }
    stream = nil
    if isEnded, !waiting.isEmpty { return }
    if client != nil { fail(UpstreamFailure(kind, requestUnsent: !requestWritten, responseStarted: responseStarted, cause: .closed)) }
  }
}
