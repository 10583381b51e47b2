import Bytes
import CNghttp2
import HTTP

/// One HTTP/2 connection (RFC 9113): bytes in, calls to its owner; commands, bytes out. No I/O.
///
/// Framing and HPACK are nghttp2's. What a head may say, who may do what how often, and when anything is freed is decided here.
/// nghttp2's callbacks run inside `receive` and `pull`; nothing is freed there. The end of a stream, and output that drained, is
/// told afterwards: at the end of `receive`, or by `settle`, so that `pull` may fill a buffer that the owner's calls touch.
public final class HTTP2Session {
  package enum Role: Sendable { case server, client }

  package let role: Role
  package let limits: HTTP2Limits
  /// Of `limits`.
  let headLimits: HTTP2Limits.Head
  let pool: HTTP2StreamPool
  /// Whoever is told; mostly it holds the session. Forgotten with `abandon`, behind which nothing is told.
  package var owner: HTTP2Owner?
  let handle: OpaquePointer

  /// Streams that nghttp2 knows, or will once their HEADERS are sent. What it remembers of each is its slot.
  var live = SlotTable<HTTP2Stream>()
  /// Closed by nghttp2, their owner not told yet.
  private var closing: [HTTP2Stream] = []
  private var drained: [HTTP2Stream] = []
  private var isSettling = false

  var bounds: AbuseBounds
  /// Server: what the client has opened.
  var history = StreamHistory()
  /// Server: the first SETTINGS, until they are pulled.
  private var greeting: [UInt8] = []
  /// Server: clients send their access token with each request.
  private var expansion: ValueExpansion
  /// Milliseconds, as given to the call under way.
  var now: UInt64 = 0
  /// Where DATA frames go, while `pull` runs.
  var target: UnsafeMutablePointer<ByteQueue>?
  var targetLimit = 0
  /// Bytes of content that the owner holds, of all streams together, those among them that have ended.
  package internal(set) var held = 0
  /// HEADERS given to nghttp2 and not yet sent, and the memory that they point into.
  var pendingHeads = 0
  /// Bytes of all heads that were given since none was waiting.
  var pendingHeadBytes = 0
  var heads = BlockArena()
  /// Since when the connection's window was seen to be spent, with nothing sent since.
  var stalledSince: UInt64?
  /// Found in a callback, acted on behind it.
  var violation: HTTP2ErrorCode?
  private(set) var isInsideReceive = false
  private var isInsidePull = false

  /// Why the connection is given up, if it is by us.
  package private(set) var failure: HTTP2ErrorCode?
  /// `abandon` was called: the owner is told nothing any more.
  package private(set) var isAbandoned = false
  package internal(set) var goAwayReceived = false
  /// The peer has said what it takes: until then its settings are the RFC's.
  package internal(set) var settingsReceived = false
  package internal(set) var goAwaySent = false
  /// The code of the last GOAWAY that was sent.
  package internal(set) var goAwayCode: HTTP2ErrorCode?

  /// - Parameters:
  ///   - pool: made for the same role.
  ///   - owner: nil for one that is set before the session is used.
  package init(server limits: HTTP2Limits, pool: HTTP2StreamPool, owner: HTTP2Owner? = nil) {
    role = .server
    self.limits = limits
    headLimits = limits.head
    self.pool = pool
    self.owner = owner
    bounds = AbuseBounds(limits.abuse)
    expansion = ValueExpansion(preface: HTTP2Preface.length)
    handle = SessionOptions.makeSession(.server, limits, pool.memory)
    SessionOptions.submitSettings(handle, role, limits)
    greeting = SessionScope.run(self) { SessionOptions.takeSettings(handle, streams: limits.streams) }
  }

  package init(client limits: HTTP2Limits, pool: HTTP2StreamPool, owner: HTTP2Owner? = nil) {
    role = .client
    self.limits = limits
    headLimits = limits.head
    self.pool = pool
    self.owner = owner
    bounds = AbuseBounds(limits.abuse)
    expansion = ValueExpansion(preface: 0)
    handle = SessionOptions.makeSession(.client, limits, pool.memory)
    SessionOptions.submitSettings(handle, role, limits)
  }

  @inline(__always)
  func tell(_ body: (HTTP2Owner) -> Void) { if let owner { body(owner) } }

  deinit { nghttp2_session_del(handle) }

  // MARK: Bytes in

  /// Reads what came from the peer, to the last byte. Interim results are told to the owner on the way.
  ///
  /// - Parameter now: milliseconds of a monotonic clock.
  /// - Returns: after an error, the same again; further bytes are ignored.
  package func receive(_ bytes: UnsafeBufferPointer<UInt8>, now: UInt64) -> HTTP2Result {
    precondition(!isInsideReceive && !isInsidePull, "called from one of the owner's callbacks")
    if let failure { return .protocolError(failure) }
    self.now = now
    guard let start = bytes.baseAddress, !bytes.isEmpty else { return .ok }
    isInsideReceive = true
    let result = SessionScope.run(self) {
      role == .server
        ? expansion.pass(bytes, pool.buffers, judge: { judge($0, $1) }, endsTooEarly: { endsTooEarly($0, $1) }) {
          nghttp2_session_mem_recv(handle, $0.baseAddress, $0.count)
        }
        : nghttp2_session_mem_recv(handle, start, bytes.count)
    }
    isInsideReceive = false
    if isAbandoned {
      // Whoever did so has said why.
    } else if let violation {
      fail(violation)
    } else if result < 0 {
      fail(SessionOptions.code(for: result))
    } else if nghttp2_session_get_outbound_queue_size(handle) > outboundFrames {
      fail(.enhanceYourCalm)
    }
    settle()
    if let failure { return .protocolError(failure) }
    return .ok
  }

  /// Server: what the client has begun to send and is no content: its preface up to its SETTINGS, a frame, a field section. The same
  /// number as long as it is the same; nil when nothing is owed.
  package var unfinishedHead: UInt32? { settingsReceived ? expansion.unfinished : 0 }

  /// Bytes held in case that the client says the same again.
  package var heldForRepetition: Int { expansion.allocated }

  /// Gives memory back that the next request can have anew.
  package func rest() { expansion.rest() }

  /// Frames that may wait, DATA not counted: far more than streams and acknowledgements explain.
  private var outboundFrames: Int { 2 * SessionOptions.acknowledgements + 8 * limits.streams }

  /// Queues a GOAWAY behind which nothing is read.
  private func fail(_ code: HTTP2ErrorCode) {
    guard failure == nil else { return }
    failure = code
    nghttp2_session_terminate_session(handle, code.rawValue)
  }

  // MARK: Bytes out

  /// Appends frames to `out` until there are none, or `atMost` bytes were appended; a frame is never cut, so it may be some more.
  ///
  /// Tells the owner nothing: call `settle` once `out` is no longer borrowed.
  package func pull(into out: inout ByteQueue, atMost: Int, now: UInt64) {
    guard !isInsideReceive, !isInsidePull else { return }
    self.now = now
    isInsidePull = true
    withUnsafeMutablePointer(to: &out) { queue in
      target = queue
      targetLimit = queue.pointee.count &+ max(1, atMost)
      if !greeting.isEmpty {
        queue.pointee.append(greeting)
        greeting = []
      }
      SessionScope.run(self) {
        fill(queue)
        if let violation, failure == nil {
          fail(violation)
          fill(queue)
        }
      }
      target = nil
    }
    isInsidePull = false
  }

  private func fill(_ queue: UnsafeMutablePointer<ByteQueue>) {
    while queue.pointee.count < targetLimit {
      var frame: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(handle, &frame)
      guard count >= 0 else {
        // Out of memory: nothing sensible can be sent any more.
        if failure == nil { failure = .internalError }
        return
      }
      guard count > 0, let frame else { return }
      queue.pointee.append(frame, count)
    }
  }

  /// `receive` or `pull` is on the stack: nothing can be pulled now, and whoever called it will.
  package var isBusy: Bool { isInsideReceive || isInsidePull }

  /// Whether `pull` would append something.
  package var wantsWrite: Bool { nghttp2_session_want_write(handle) != 0 || !greeting.isEmpty }

  /// Nothing more is to be read or written: close the connection. So after a GOAWAY for a fault, and after one in peace
  /// once the last stream has ended.
  package var isFinished: Bool {
    nghttp2_session_want_write(handle) == 0 && (failure != nil || nghttp2_session_want_read(handle) == 0)
  }

  // MARK: Streams

  package var streamCount: Int { live.count }

  /// Since when, in ms, bytes of streams wait and the peer gives the connection no window to send any of them in; nil when that is not so.
  ///
  /// Ask every so often, from a timer: a stall begins when it is first seen.
  package func connectionStall(now: UInt64) -> UInt64? {
    var waits = false
    if nghttp2_session_get_remote_window_size(handle) <= 0 { live.forEach { waits = waits || !$0.output.isEmpty } }
    guard waits else {
      stalledSince = nil
      return nil
    }
    let since = stalledSince ?? now
    stalledSince = since
    return since
  }

  /// Whether the peer takes no more of this very stream for now.
  package func isWindowSpent(_ stream: HTTP2Stream) -> Bool {
    nghttp2_session_get_stream_remote_window_size(handle, stream.id) <= 0
  }

  /// The stream that nghttp2 knows by this number, for its callbacks.
  func stream(_ id: Int32) -> HTTP2Stream? {
    guard let token = nghttp2_session_get_stream_user_data(handle, id) else { return nil }
    return live.find(SlotID(token: token))
  }

  /// Makes it one of those that are alive, and gives what nghttp2 is to remember it by.
  func adopt(_ stream: HTTP2Stream) -> UnsafeMutableRawPointer? {
    let slot = live.insert(stream)
    stream.slot = slot
    return slot.pointer
  }

  /// nghttp2 has forgotten the stream, or never came to know it.
  func markClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard stream.state == .open, let slot = stream.slot else { return }
    stream.state = .closed
    stream.closeCode = code
    stream.slot = nil
    if let closed = live.remove(slot) { closing.append(closed) }
  }

  func noteDrained(_ stream: HTTP2Stream) {
    stream.owesDrained = false
    guard !stream.isInDrainedList else { return }
    stream.isInDrainedList = true
    drained.append(stream)
  }

  /// Tells the owner what `pull` left to tell: streams that ended, output that drained. The owner may give commands.
  package func settle() {
    guard !isSettling, !isInsideReceive, !isInsidePull else { return }
    isSettling = true
    while true {
      if let stream = closing.popLast() {
        tellClosed(stream)
      } else if let stream = drained.popLast() {
        stream.isInDrainedList = false
        if stream.isOpen { tell { $0.outputDrained(stream) } }
      } else {
        break
      }
    }
    isSettling = false
    offerWindow()
  }

  private func tellClosed(_ stream: consuming HTTP2Stream) {
    let isComplete = role == .server ? stream.localEndSent : stream.remoteEnded
    if !isComplete, !stream.isResetByOwner { tellReset(stream) }
    owner?.streamClosed(stream)
    release(stream)
    if isAbandoned {
      stream.output.removeAll()
      stream.output.giveBack(to: pool.buffers)
    } else {
      if stream.isInDrainedList { forgetDrained(stream) }
      pool.give(stream)
    }
  }

  @inline(never) private func tellReset(_ stream: HTTP2Stream) {
    let code = stream.closeCode == .noError ? stream.refusalCode ?? .noError : stream.closeCode
    tell { $0.streamReset(stream, code) }
  }

  @inline(never) private func forgetDrained(_ stream: HTTP2Stream) { drained.removeAll { $0 === stream } }

  /// The connection is gone, or is to be: every stream is closed with `code`, and the owner told so before this returns,
  /// wherever it is called from; afterwards it is told nothing. A GOAWAY that is queued can still be pulled, content not.
  package func abandon(_ code: HTTP2ErrorCode = .cancel) {
    guard !isAbandoned else { return }
    isAbandoned = true
    if failure == nil { failure = code }
    for stream in live.all() { markClosed(stream, code) }
    while let stream = closing.popLast() { tellClosed(stream) }
    drained.removeAll()
    owner = nil
  }
}
