import Bytes
import HTTP
import HTTP1
import HTTP2
import Transport

/// The HTTP/2 side of a connection to a backend: many requests at once, each on its stream.
///
/// The connection and this hold each other, and the streams this, until the connection closes: `connectionGone`.
final class UpstreamSession: HTTP2Carrier {
  let connection: UpstreamConnection
  /// The session's streams know the slots.
  private var streams = SlotTable<UpstreamStream>()
  /// Those that the present event has brought something for.
  private var touched: [UpstreamStream] = []
  /// Over, and free for the next request as soon as nobody holds them any more.
  private var spare: [UpstreamStream] = []
  private var isGone = false
  /// By the backend's fault.
  private var isBroken = false
  /// Some request got at least a head.
  private(set) var hasAnswered = false
  /// What all that are on it are told when the connection is gone.
  private var loss = UpstreamFailure.Kind.reset

  /// How many requests are given up on one connection. Backends take more for an attack, and end what others have on it: nghttp2 above 1,000
  /// and 33 a second.
  private static let resets = TokenBucket.Rate(burst: 200, perSecond: 10)
  private var mayReset = TokenBucket(resets)
  /// So many were: what is on it comes to its end, and who comes goes elsewhere.
  private(set) var isWorn = false

  private static let kept = 128
  /// Streams, and answers beside them whose stream has ended.
  private static let most = 1000

  /// Windows towards backends: one download may run at full speed, many together may not take all memory.
  static let windows = (stream: 256 << 10, connection: 4 << 20)

  private static func limits(_ head: HeadLimits) -> HTTP2Limits {
    HTTP2Limits(
      headerBytes: head.headerBytes, headerCount: head.headerCount, uriBytes: 0, streams: most, streamWindow: windows.stream,
      connectionWindow: windows.connection, pendingHeadBytes: 1 << 20, abuse: .backend)
  }

  init(_ connection: UpstreamConnection) {
    self.connection = connection
    super.init(channel: connection, session: HTTP2Session(client: Self.limits(connection.backend.headLimits), pool: connection.pool.streams))
  }

  /// Whether another request may begin on this connection.
  var canOpen: Bool { !isGone && !isWorn && streams.count < Self.most && session.canOpenStream }
  var isEmpty: Bool { streams.isEmpty }
  var streamCount: Int { streams.count }

  /// What is held against the bounds, if anything is. For tests.
  var fault: String? {
    let held = streams.all().map(\.heldBytes)
    if let most = held.max(), most > Self.windows.stream { return "\(most) bytes of a stream wait for its client" }
    let all = held.reduce(0, +)
    if all > Self.windows.connection { return "\(all) bytes of a connection wait for clients" }
    return all > session.held ? "\(all) bytes of a connection wait for clients, \(session.held) count against its window" : nil
  }

  /// A stream for `client`, which writes its head next.
  func open(_ client: UpstreamClient, _ charge: Charge) -> UpstreamStream {
    let stream = take(for: client)
    stream.charge = charge
    stream.slot = streams.insert(stream)
    return stream
  }

  private func take(for client: UpstreamClient) -> UpstreamStream {
    guard let last = spare.indices.last, isKnownUniquelyReferenced(&spare[last]) else { return UpstreamStream(self, client: client) }
    let stream = spare.removeLast()
    stream.reopen(for: client)
    return stream
  }

  /// Gives a request up.
  func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard session.reset(stream, code), !isWorn, !mayReset.take(Self.resets, now: now), connection.pool.mayReplace else { return }
    isWorn = true
    connection.pool.noLongerShared(connection)
  }

  /// Drops a stream that never came to be.
  func forget(_ stream: UpstreamStream) {
    if let slot = stream.slot { remove(slot) }
  }

  private func remove(_ slot: SlotID) {
    guard let stream = streams.remove(slot) else { return }
    // An answer that has lost its connection alone goes on having what its client has of the pool, until that has taken it.
    let charge = isGone && stream.stayBehind() ? .none : stream.giveUp()
    if spare.count < Self.kept, !isGone { spare.append(stream) }
    connection.pool.streamEnded(connection, charge)
    restIfEmpty()
  }

  /// Without a request it stays for as long as an idle connection does, if it can carry another.
  func restIfEmpty() {
    guard streams.isEmpty, connection.isOpen else { return }
    if connection.pool.isRetired || isWorn || !session.canOpenStream { return finishGracefully() }
    forgetWake()
    wake(at: now &+ UInt64(connection.backend.idleTimeout))
  }

  /// What its requests have in the pool's account. For tests.
  var charges: [Charge] { streams.all().map(\.charge) }
  /// And of the windows. For tests.
  var held: [Charge] { streams.all().map { Charge(origin: $0.charge.origin, amount: $0.counted) } }

  private func finishGracefully() {
    session.goAway()
    write()
    if connection.isOpen { connection.shutDown() }
  }

  // MARK: The connection's events

  func received() {
    let result = session.receive(connection.input.readable, now: now)
    guard connection.isOpen else { return }
    connection.input.removeAll()
    while let stream = touched.popLast() {
      stream.isTouched = false
      stream.client?.upstreamPaused()
    }
    guard connection.isOpen else { return }
    guard case .protocolError = result else { return connection.awaitTurnEnd() }
    write()
    breakOff()
  }

  /// The backend has broken the rules of the whole connection: nobody on it can expect an answer any more.
  private func breakOff() {
    isBroken = true
    loss = .protocol
    connection.shutDown()
  }

  func touch(_ stream: UpstreamStream) {
    guard !stream.isTouched else { return }
    stream.isTouched = true
    touched.append(stream)
  }

  override func written() {
    if session.isFinished {
      // With streams left it is a fault that nghttp2 has found and told the backend of.
      if streams.all().contains(where: \.isUnderWay) { return breakOff() }
      if connection.output.isEmpty { return connection.shutDown() }
    }
    // Heads that have left make room for others.
    if connection.pool.isAwaited { connection.pool.serveWaiting(on: connection) }
  }

  /// Whoever waits for the backend's SETTINGS is sent away: nothing of his has gone out.
  func withdraw() { for stream in streams.all() { stream.withdraw() } }

  /// The connection has failed, and is about to go.
  func isLost(_ kind: UpstreamFailure.Kind) { loss = kind }

  /// The connection is gone, and every stream with it.
  func connectionGone() {
    isGone = true
    abandon(isBroken ? .protocolError : .cancel)
    // Those that the session knows were told by it; others wait for the backend's SETTINGS.
    for stream in streams.all() {
      stream.closed(loss)
      forget(stream)
    }
    touched = []
    spare = []
  }

  // MARK: Deadlines

  func deadlineReached() {
    forgetWake()
    if streams.isEmpty { return finishGracefully() }
    for stream in streams.all() where stream.deadline > 0 && stream.deadline <= now { stream.timeIsUp() }
    guard connection.isOpen else { return }
    write()
    guard connection.isOpen else { return }
    streams.forEach { if $0.deadline > 0 { wake(at: $0.deadline) } }
    if streams.isEmpty { wake(at: now &+ UInt64(connection.backend.idleTimeout)) }
  }

  // MARK: HTTP2Owner

  override func responseHead(_ stream: HTTP2Stream, endStream: Bool) {
    hasAnswered = true
    leg(stream)?.responseHead(stream, endStream: endStream)
  }

  override func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) { leg(stream)?.content(received: bytes, on: stream) }

  override func trailer(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
  ) { leg(stream)?.trailer(received: name, value) }

  override func messageEnded(_ stream: HTTP2Stream) { leg(stream)?.ended() }

  override func outputDrained(_ stream: HTTP2Stream) { leg(stream)?.drained() }

  override func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    // No stream was answered, so that this is what became of all.
    if isGone, loss == .tls { leg(stream)?.closed(loss) } else { leg(stream)?.reset(code) }
  }

  override func streamClosed(_ stream: HTTP2Stream) {
    guard let slot = stream.ownerSlot, let leg = streams.find(slot) else { return }
    leg.closed()
    // An answer whose client has not taken all of it stays among those of the connection until it has, and counts as one.
    if leg.heldBytes == 0 || isGone { remove(slot) }
  }

  override func settingsReceived() {
    for stream in streams.all() { stream.settingsReceived() }
    if connection.pool.isAwaited { connection.pool.serveWaiting(on: connection) }
  }

  override func goAway(lastStream: Int32, _ code: HTTP2ErrorCode) { connection.pool.noLongerShared(connection) }

  private func leg(_ stream: HTTP2Stream) -> UpstreamStream? {
    // Set in `UpstreamStream.begin` and nowhere else.
    guard let slot = stream.ownerSlot else { return nil }
    return streams.find(slot)
  }
}
