import Bytes
import HTTP
import HTTP2
import Transport

/// The HTTP/2 side of a connection to a backend: many requests at once, each on its stream.
final class UpstreamSession: HTTP2Owner {
  unowned(unsafe) let connection: UpstreamConnection
  private var held: HTTP2Session?
  private var streams: [UpstreamStream] = []
  /// Those that the present event has brought something for.
  private var touched: [UpstreamStream] = []
  private var isWriting = false
  private var writesAgain = false
  private var isGone = false
  private var wakesAt = UInt64.max

  /// Windows towards backends: one download may run at full speed, many together may not take all memory.
  private static let limits = HTTP2Limits(
    headerBytes: 64 << 10, headerCount: 128, uriBytes: 0, streams: 1000, streamWindow: 256 << 10, connectionWindow: 4 << 20,
    abuse: .backend)

  init(_ connection: UpstreamConnection) {
    self.connection = connection
    super.init()
    held = HTTP2Session(client: Self.limits, pool: connection.pool.streams, owner: self)
  }

  var session: HTTP2Session { held.unsafelyUnwrapped }
  private var now: UInt64 { connection.loop.now }

  /// Whether another request may begin on this connection.
  var canOpen: Bool { !isGone && session.canOpenStream }
  var isEmpty: Bool { streams.isEmpty }

  /// A stream for `client`, which writes its head next.
  func open(_ client: UpstreamClient) -> UpstreamStream {
    let stream = UpstreamStream(self, client: client)
    stream.index = streams.count
    streams.append(stream)
    return stream
  }

  /// Drops a stream that never came to be.
  func forget(_ stream: UpstreamStream) {
    guard stream.index < streams.count, streams[stream.index] === stream else { return }
    remove(stream)
  }

  private func remove(_ stream: UpstreamStream) {
    let last = streams.removeLast()
    if last !== stream {
      streams[stream.index] = last
      last.index = stream.index
    }
    connection.pool.streamEnded(connection)
    if streams.isEmpty, connection.isOpen {
      if connection.pool.isRetired || !session.canOpenStream { return finishGracefully() }
      wakesAt = .max
      wake(at: now &+ UInt64(connection.backend.idleTimeout))
    }
  }

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
    connection.awaitTurnEnd()
    if connection.isOpen, case .protocolError = result { connection.shutDown() }
  }

  func touch(_ stream: UpstreamStream) {
    guard !stream.isTouched else { return }
    stream.isTouched = true
    touched.append(stream)
  }

  /// Writes what has been produced: at the end of the turn, so that its requests share records.
  func write() {
    // From within `receive`: it is followed by a write of its own.
    if session.isBusy { return }
    guard !isWriting else {
      writesAgain = true
      return
    }
    isWriting = true
    var pulled = false
    repeat {
      writesAgain = false
      pulled = false
      let room = SecureChannel.highWater - connection.output.count
      if room > 0 {
        connection.output.borrow(from: connection.buffers)
        session.pull(into: &connection.output, atMost: room, now: now)
        pulled = !connection.output.isEmpty
      }
      if !connection.output.isEmpty { connection.flush() }
      guard connection.isOpen else { return }
      session.settle()
      guard connection.isOpen else { return }
    } while (writesAgain || pulled && session.wantsWrite) && connection.output.isEmpty
    isWriting = false
    if !connection.output.isEmpty {
      connection.oweDrained()
    } else if session.isFinished, streams.isEmpty {
      connection.shutDown()
    }
  }

  /// The connection is gone, and every stream with it.
  func connectionGone() {
    isGone = true
    isWriting = true
    session.abandon()
    for stream in streams { stream.closed() }
    streams = []
    touched = []
  }

  // MARK: Deadlines

  func wake(at time: UInt64) {
    guard time < wakesAt else { return }
    wakesAt = time
    connection.setDeadline(max(1, Int(time) - Int(now)))
  }

  func deadlineReached() {
    wakesAt = .max
    if streams.isEmpty { return finishGracefully() }
    for stream in streams where stream.deadline > 0 && stream.deadline <= now { stream.timeIsUp() }
    guard connection.isOpen else { return }
    write()
    guard connection.isOpen else { return }
    for stream in streams where stream.deadline > 0 { wake(at: stream.deadline) }
    if streams.isEmpty { wake(at: now &+ UInt64(connection.backend.idleTimeout)) }
  }

  // MARK: HTTP2Owner

  override func responseHead(_ stream: HTTP2Stream, endStream: Bool) { leg(stream)?.responseHead(endStream: endStream) }

  override func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) { leg(stream)?.content(received: bytes) }

  override func trailer(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
  ) { leg(stream)?.trailer(received: name, value) }

  override func messageEnded(_ stream: HTTP2Stream) { leg(stream)?.ended() }

  override func outputDrained(_ stream: HTTP2Stream) { leg(stream)?.drained() }

  override func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { leg(stream)?.reset(code) }

  override func streamClosed(_ stream: HTTP2Stream) {
    guard let leg = leg(stream) else { return }
    leg.closed()
    if !isGone { remove(leg) }
  }

  override func settingsReceived() {
    for stream in streams { stream.settingsReceived() }
  }

  override func goAway(lastStream: Int32, _ code: HTTP2ErrorCode) { connection.pool.noLongerShared(connection) }

  private func leg(_ stream: HTTP2Stream) -> UpstreamStream? {
    // Set in `UpstreamStream.begin` and nowhere else.
    stream.context.map { unsafeDowncast($0, to: UpstreamStream.self) }
  }
}
