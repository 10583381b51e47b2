import Bytes
import HTTP
import HTTP2
import Reactor
import Transport

/// The HTTP/2 side of a client's connection: feeds its session, starts an exchange for each request, writes what they answer.
///
/// The connection does the I/O. The two hold each other, and the streams this, until the connection closes: `connectionGone`. Streams share the connection's deadline: the nearest of theirs is set.
final class HTTP2Edge: HTTP2Carrier {
  let connection: DownstreamConnection
  /// Streams whose request has begun and which are not closed; the session's streams know their slots.
  private var streams = SlotTable<HTTP2ClientStream>()
  /// Those that the present event has brought something for.
  private var touched: [HTTP2ClientStream] = []
  /// Over, and free for the next request as soon as nobody holds them any more.
  private var spare: [HTTP2ClientStream] = []
  private var idleSince: UInt64
  /// When, in ms of the loop's clock, a second GOAWAY follows the first.
  private var finalGoAwayAt: UInt64 = 0
  /// What the client has begun to send and owes the rest of, if it does, and since when: at first its preface.
  private var unfinishedHead: UInt32? = 0
  private var unfinishedSince: UInt64
  /// What the peer had taken at the last look, and when that was last found to have grown.
  private var takenThen: UInt64 = 0
  private var takenAt: UInt64

  /// Milliseconds between the two GOAWAYs of a drain: time for requests that are on their way (RFC 9113 section 6.8).
  private static let notice: UInt64 = 200
  /// Milliseconds after which a stalled connection is looked at again.
  private static let look: UInt64 = 1_000
  /// Milliseconds without a stream after which OpenSSL's buffers are given back.
  private static let restAfter: UInt64 = 5_000
  private static let kept = 128

  init(_ connection: DownstreamConnection) {
    self.connection = connection
    idleSince = connection.loop.now
    unfinishedSince = connection.loop.now
    takenAt = idleSince
    let context = connection.context
    let limits = HTTP2Limits(
      headerBytes: context.headerBytes, headerCount: context.headerCount, uriBytes: context.uriBytes, streams: context.streams)
    super.init(channel: connection, session: HTTP2Session(server: limits, pool: connection.worker.serverStreams))
  }

  // MARK: The connection's events

  /// Takes what has come.
  func received() {
    let result = session.receive(connection.input.readable, now: now)
    guard connection.isOpen else { return }
    connection.input.removeAll()
    if case .protocolError = result { return giveUp() }
    let unfinished = session.unfinishedHead
    if unfinished != unfinishedHead { headChanged(unfinished) }
  }

  @inline(never) private func headChanged(_ unfinished: UInt32?) {
    unfinishedHead = unfinished
    unfinishedSince = now
    if unfinished != nil { wake(at: headEnd) }
  }

  /// When a head that has begun has to be whole.
  private var headEnd: UInt64 { unfinishedSince &+ UInt64(connection.context.headerTimeout) }

  /// What the session has to say is said, and then the connection ends: slowly, for whoever floods has more on the way, and a
  /// close that meets it would take the GOAWAY back.
  private func giveUp() {
    session.abandon()
    guard connection.isOpen else { return }
    connection.endedInError = true
    connection.startFlushing()
    write()
    if connection.isOpen { connection.finishTurn() }
  }

  /// What came in this event has been handed to the exchanges: their backends get it in one piece each.
  func contentPaused() {
    while let stream = touched.popLast() {
      stream.isTouched = false
      stream.contentPaused()
    }
  }

  func touch(_ stream: HTTP2ClientStream) {
    guard !stream.isTouched else { return }
    stream.isTouched = true
    touched.append(stream)
  }

  override func written() {
    guard connection.state == .http2 else { return }
    if connection.output.isEmpty {
      if session.isFinished { return connection.endGracefully() }
      if connection.isReadingPaused { connection.resumeReading() }
    } else if session.holdsManyHeads, !connection.isReadingPaused {
      // It does not take what it has got, and each further request would be answered with more.
      connection.pauseReading(watching: true)
    }
  }

  /// The connection is gone, and every stream with it.
  func connectionGone() {
    abandon()
    // None is left: each was told by the session.
    for stream in streams.all() { stream.lost() }
    streams.removeAll()
    touched = []
    spare = []
  }

  /// Two GOAWAYs: the first announces the end, the second ends it, and requests that were on their way are served.
  func drain() {
    guard finalGoAwayAt == 0 else { return }
    session.shutdownNotice()
    finalGoAwayAt = now &+ Self.notice
    wake(at: finalGoAwayAt)
    write()
  }

  /// One GOAWAY: whoever has asked for more meanwhile is told that it was not heard, and asks elsewhere.
  func retire() {
    session.goAway()
    write()
  }

  /// The client has said all that it will: what it has asked for whole is answered.
  func inputEnded() {
    unfinishedHead = nil
    for stream in streams.all() { stream.inputEnded() }
    session.inputEnded()
    session.goAway()
    write()
  }

  /// Requests under way.
  var exchanges: [Exchange] { streams.all().compactMap(\.exchange) }

  /// What is held against the bounds, if anything is. For tests.
  var fault: String? {
    let held = streams.all().map(\.heldBytes)
    if let most = held.max(), most > session.limits.streamWindow { return "\(most) bytes of a stream wait for its backend" }
    let all = held.reduce(0, +)
    return all > session.limits.connectionWindow ? "\(all) bytes of a connection wait for backends" : nil
  }

  // MARK: Deadlines

  func deadlineReached() {
    forgetWake()
    if finalGoAwayAt > 0, now >= finalGoAwayAt { session.goAway() }
    for stream in streams.all() where stream.deadline > 0 && stream.deadline <= now { stream.timeIsUp() }
    guard connection.isOpen else { return }
    if let stalled = session.connectionStall(now: now), now &- stalled >= UInt64(connection.context.bodyTimeout) {
      // A client that gives no window for as long as a body may pause is given up.
      noteTooSlow()
      session.goAway(.enhanceYourCalm)
      return giveUp()
    }
    if unfinishedHead != nil, now >= headEnd {
      // As slow heads are on HTTP/1.1, and there is no stream to say so on.
      session.goAway(.enhanceYourCalm)
      return giveUp()
    }
    if streams.isEmpty, idleIsOver() { return }
    if lookAtAnswers() { return }
    write()
    guard connection.isOpen else { return }
    rearm()
  }

  /// Looks at how the client takes what waits for it.
  ///
  /// - Returns: whether the connection has ended: the client has taken nothing of what waits in it for as long as a body may pause. Windows
  ///   say nothing of that: they may be as wide as they like.
  private func lookAtAnswers() -> Bool {
    let late = streams.all().filter(\.isToBeLookedAt)
    if late.isEmpty, connection.output.isEmpty {
      takenAt = now
      return false
    }
    let taken = connection.bytesTaken
    if connection.output.isEmpty || taken > takenThen { takenAt = now }
    takenThen = max(taken, takenThen)
    if now &- takenAt >= UInt64(connection.context.bodyTimeout) {
      noteTooSlow()
      connection.reset()
      return true
    }
    for stream in late { stream.lookAtAnswer(taken) }
    return !connection.isOpen
  }

  /// Requests whose answers wait for the client end with the connection, and their log says why.
  private func noteTooSlow() {
    for stream in streams.all() { stream.noteTooSlow() }
  }

  /// Puts an idle connection to rest, and later ends it. True when it has ended.
  private func idleIsOver() -> Bool {
    let idle = now &- idleSince
    if idle >= UInt64(connection.context.idleTimeout) {
      session.goAway()
      write()
      if connection.isOpen { connection.endGracefully() }
      return true
    }
    if idle >= Self.restAfter { restIfIdle() }
    return false
  }

  /// Gives back what the next stream can have anew, unless something is under way.
  func restIfIdle() {
    guard !connection.isAtRest, streams.isEmpty, connection.output.isEmpty else { return }
    spare = []
    session.rest()
    connection.rest()
  }

  func rearm() {
    if finalGoAwayAt > 0, !session.goAwaySent { wake(at: finalGoAwayAt) }
    if unfinishedHead != nil { wake(at: headEnd) }
    streams.forEach { if $0.deadline > 0 { wake(at: $0.deadline) } }
    if streams.isEmpty {
      let idleEnd = idleSince &+ UInt64(connection.context.idleTimeout)
      wake(at: connection.isAtRest ? idleEnd : min(idleSince &+ Self.restAfter, idleEnd))
    } else {
      wake(at: now &+ Self.look)
    }
  }

  // MARK: HTTP2Owner

  override func requestHead(_ stream: HTTP2Stream, endStream: Bool) {
    connection.isAtRest = false
    let carrier = takeCarrier(stream)
    stream.ownerSlot = streams.insert(carrier)
    carrier.begin(stream)
    wake(at: now &+ Self.look)
  }

  private func takeCarrier(_ stream: HTTP2Stream) -> HTTP2ClientStream {
    guard let last = spare.indices.last, isKnownUniquelyReferenced(&spare[last]) else { return HTTP2ClientStream(self, stream) }
    let carrier = spare.removeLast()
    carrier.reopen(stream)
    return carrier
  }

  override func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) { carrier(stream)?.content(bytes) }

  override func trailer(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
  ) { carrier(stream)?.trailer(name, value) }

  override func messageEnded(_ stream: HTTP2Stream) { carrier(stream)?.messageEnded() }

  override func outputDrained(_ stream: HTTP2Stream) { carrier(stream)?.drained() }

  override func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { carrier(stream)?.lost() }

  override func streamClosed(_ stream: HTTP2Stream) {
    // Without a slot it had no head worth telling of.
    guard let slot = stream.ownerSlot, let carrier = streams.find(slot) else { return }
    carrier.lost()
    guard let over = streams.remove(slot), connection.isOpen else { return }
    if spare.count < Self.kept { spare.append(over) }
    if streams.isEmpty {
      idleSince = now
      connection.stayWarm()
      rearm()
    }
  }

  private func carrier(_ stream: HTTP2Stream) -> HTTP2ClientStream? {
    guard let slot = stream.ownerSlot else { return nil }
    return streams.find(slot)
  }
}
