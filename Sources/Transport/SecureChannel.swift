import Bytes
import CLinux
import Reactor
import TLS

/// A connection on an event loop, over TLS but where a listener says otherwise: bytes in a queue on the way in, bytes in a queue on the way out.
///
/// The base of both sides' connections. It does handshakes, reads while there is something to read, buffers what the
/// socket does not take, and pauses reading for backpressure. What the bytes mean is the subclass's affair.
open class SecureChannel: Channel {
  /// Above this many bytes waiting to be written, whoever produces them should stop.
  package static let highWater = 64 << 10
  /// Below this many, it may go on.
  package static let lowWater = 16 << 10
  /// Below this many bytes of room, nothing more is read before what came is taken.
  private static let leastRoom = 1024

  package enum Phase {
    /// A TCP connect is under way.
    case connecting
    case handshaking
    case open
  }

  package final private(set) var phase: Phase
  // Final, as all that the request path looks at: access through a class's table goes by way of a coroutine, which for `wire` even
  // allocated its frame.
  package final var wire: Wire
  package final var input = ByteQueue()
  package final var output = ByteQueue()
  package final let buffers: BufferPool
  package final private(set) var isReadingPaused = false
  /// Records that are at hand are read together. For HTTP/2, whose peers like to send one for each message; content comes in records
  /// that fill a block, and reading another into what room is left would only cut them.
  package final var gathersRecords = false
  /// A peer that takes nothing any more is heard to its end before the connection fails, since it may have said why.
  package final var hearsLastWords = false
  /// The peer takes nothing any more, and what is to be written goes nowhere. It has gone, which reading tells in the next turn.
  package final private(set) var isUnwritable = false
  /// Whatever the peer sends, it sends to be answered: once it has gone for good, nothing of it is worth keeping.
  package final var endsWithPeer = false
  /// All that the socket has ever taken.
  package final private(set) var bytesWritten: UInt64 = 0
  private final var wantsToWrite = false
  /// `drained` is owed: the output has been above the high-water mark.
  private final var owesDrained = false

  /// Takes ownership of `descriptor` and `wire`.
  package init(loop: EventLoop, descriptor: Int32, wire: consuming Wire, phase: Phase, buffers: BufferPool) {
    self.wire = wire
    self.phase = phase
    self.buffers = buffers
    super.init(loop: loop, descriptor: descriptor)
  }

  // MARK: For subclasses

  /// The handshake is done and, towards backends, the peer's identity is checked.
  open func handshakeCompleted() {}
  /// Connecting or the handshake failed; the receiver closes.
  open func handshakeFailed(_ failure: TransportFailure) {}
  /// `input` has new bytes.
  open func received() {}
  /// What was waiting has gone down to the low-water mark.
  open func drained() {}
  /// The peer will send no more. `clean`: it said so (close_notify), so nothing was cut off.
  open func ended(clean: Bool) {}
  /// Reading or writing failed; the receiver closes.
  open func failed(_ failure: TransportFailure) {}

  // MARK: Events

  open override func ready(_ readiness: Readiness) {
    switch phase {
    case .connecting:
      let error = Syscall.pendingError(descriptor.raw)
      guard error.code == 0 else { return handshakeFailed(.connect(error)) }
      phase = .handshaking
      return continueHandshake()
    case .handshaking:
      return continueHandshake()
    case .open:
      if readiness.contains(.write) {
        flush()
        guard isOpen else { return }
      }
      if hasInputEnded {
        // Both sides' ends are not reported while ours is open: the peer is gone.
        if !readiness.isDisjoint(with: .hangup) { failed(.closed) }
      } else if isReadingPaused {
        if !readiness.isDisjoint(with: .hangup) {
          brokeWhilePaused()
        } else if readiness.contains(.peerClosed) {
          // The end stands behind all that the peer has sent, of which no more than this is kept ahead.
          if input.count > Self.highWater { pauseReading() } else { fill() }
        }
      } else if !readiness.isDisjoint(with: [.read, .hangup, .peerClosed]) {
        fill()
      }
    }
  }

  /// The connection is broken, perhaps with much that came before, and nothing is to be read now.
  private final func brokeWhilePaused() {
    // What has come is somebody's answer, and is read when there is room for it. Until then it is enough to have heard this once.
    guard endsWithPeer else { return want(.once) }
    if input.count > Self.highWater { failed(.closed) } else { fill() }
  }

  /// Starts or continues the handshake.
  package final func continueHandshake() {
    switch wire.handshake() {
    case .done:
      phase = .open
      updateInterest()
      handshakeCompleted()
      // The client's first bytes may have come in the same read as the end of its handshake.
      if isOpen, !isReadingPaused, wire.hasPending { fill() }
    case .wantsRead: want(.read)
    case .wantsWrite: want(.write)
    case .failed(let failure): handshakeFailed(.tls(failure))
    }
  }

  /// Reads until the socket or the TLS layer has nothing more at hand, or the subclass pauses or closes.
  package final func fill() {
    // Reading could move what somebody looks at.
    guard !isInputLent else {
      owesRead = true
      resumesLater = true
      return
    }
    var hasMore = false
    repeat {
      let before = input.count
      let result = readRecords(&hasMore)
      if input.count > before {
        if lendInput() { hasMore = hasMore || owesRead || wire.hasPending }
        guard isOpen else { return }
        if isReadingPaused {
          // What the TLS layer said behind them it says again, when that is wanted.
          switch result {
          case .bytes, .wantsRead: break
          case .wantsWrite, .closed, .unwritable, .failed: owesRead = true
          }
          return
        }
      }
      switch result {
      case .bytes: break
      case .wantsRead:
        if input.isEmpty { input.giveBack(to: buffers) }
        return
      case .wantsWrite:
        setWriteInterest(true)
        return
      case .closed(let clean):
        ended(clean: clean)
        return
      case .unwritable, .failed:
        failed(tlsFailure)
        return
      }
    } while hasMore
  }

  /// Reads what the TLS layer or the socket has at this moment, without waiting for the loop to tell of it: for a connection on which
  /// nothing is expected.
  ///
  /// - Returns: whether there is nothing, as far as anybody can know. What came is told as ever.
  package final func isSilent() -> Bool {
    guard isOpen, phase == .open else { return false }
    guard wire.hasPending || Syscall.hasInput(descriptor.raw) else { return true }
    fill()
    // Part of a record is something as well.
    return isOpen && input.isEmpty && !wire.hasPending
  }

  /// Reads a record into `input`, or as many as are at hand and have room.
  ///
  /// - Parameter hasMore: whether the TLS layer has more at hand.
  private final func readRecords(_ hasMore: inout Bool) -> TLSResult {
    input.borrow(from: buffers)
    while true {
      let room = input.reserve(Self.leastRoom)
      // Without TLS as well: more than a record at once would pass whatever bound the queue has, for a queue that has once grown.
      let most = min(room.count, BufferPool.blockSize)
      let result = wire.read(into: UnsafeMutableRawPointer(room.baseAddress.unsafelyUnwrapped), count: most)
      guard case .bytes(let count) = result else { return result }
      input.produced(count)
      hasMore = wire.hasPending
      guard hasMore, gathersRecords, input.room >= Self.leastRoom else { return result }
    }
  }

  /// Tells of what is in `input`, which stays as it is for as long as the subclass looks at it: nobody whom that calls can have more
  /// read meanwhile. Who asks for it is heard afterwards.
  ///
  /// - Returns: whether somebody has, and there may be more at hand.
  private final func lendInput() -> Bool {
    var wasResumed = false
    repeat {
      resumesLater = false
      isInputLent = true
      received()
      isInputLent = false
      guard resumesLater, isOpen, !isReadingPaused else { break }
      wasResumed = true
    } while !input.isEmpty
    resumesLater = false
    return wasResumed
  }

  /// What is in `input` is told of, and then what is at hand behind it.
  package final func deliverInput() {
    guard !isInputLent else {
      resumesLater = true
      return
    }
    if lendInput() { readWhatIsAtHand() }
  }

  /// The subclass has taken from `input` what it looked at, and looks at no more of it in this call of `received`.
  package final func returnInput() { isInputLent = false }

  /// `received` is on the stack, and looks at `input`.
  private final var isInputLent = false
  /// Reading was asked for meanwhile.
  private final var resumesLater = false

  /// Stops reading: what produces is ahead of what consumes. `watching` says to hear of the peer's end all the same.
  package final func pauseReading(watching: Bool = false) {
    isReadingPaused = true
    watchesPeer = watching
    updateInterest()
  }

  /// Reads again: first what is left in `input`, then what is inside the TLS layer, since the kernel will announce
  /// neither a second time.
  package final func resumeReading() {
    guard isReadingPaused else { return }
    isReadingPaused = false
    updateInterest()
    guard !isInputLent else {
      resumesLater = true
      return
    }
    if !input.isEmpty { _ = lendInput() }
    readWhatIsAtHand()
  }

  private final func readWhatIsAtHand() {
    guard isOpen, !isReadingPaused, !hasInputEnded, phase == .open, owesRead || wire.hasPending else { return }
    owesRead = false
    fill()
  }

  /// The peer sends no more, and what it has sent is in `input`: nothing is read from here on, and all that is heard of is whether the
  /// peer has gone altogether.
  package final func endInput() {
    hasInputEnded = true
    updateInterest()
  }

  /// `endInput` was called.
  package final private(set) var hasInputEnded = false
  private final var watchesPeer = false
  /// Reading was paused when the TLS layer had said more than bytes: that the peer has ended, or that something is wrong.
  private final var owesRead = false

  private final func updateInterest() {
    var interest: Readiness = hasInputEnded ? [] : isReadingPaused ? (watchesPeer ? .peerClosed : []) : .read
    if wantsToWrite { interest.insert(.write) }
    want(interest)
  }

  private final func setWriteInterest(_ on: Bool) {
    guard wantsToWrite != on else { return }
    wantsToWrite = on
    updateInterest()
  }

  // MARK: Writing

  /// Bytes accepted for writing and not yet taken by the socket.
  package final var pendingBytes: Int { output.count }

  /// All that the peer has ever taken, as near as can be told: what the socket has taken may stand in the kernel for minutes, and leaves it
  /// in lumps. Asks the kernel.
  package final var bytesTaken: UInt64 { bytesWritten &- min(bytesWritten, UInt64(Syscall.unacknowledged(descriptor.raw))) }

  /// Closes, and takes back what stands in the kernel for a peer that does not take it: it would stand there for as long as the peer likes.
  package final func reset() {
    guard isOpen else { return }
    Syscall.resetOnClose(descriptor.raw)
    close()
  }

  /// Whether a producer should pause; `drained()` will say when to go on.
  package final var isCongested: Bool { output.count > Self.highWater }

  /// Writes what is in `output`.
  package final func flush() {
    guard phase == .open else { return }
    if isUnwritable { return output.removeAll() }
    while !output.isEmpty {
      switch wire.write(from: UnsafeRawPointer(output.start), count: output.count) {
      case .bytes(let count):
        output.consume(count)
        bytesWritten &+= UInt64(truncatingIfNeeded: count)
      case .wantsWrite:
        if output.count > Self.highWater { owesDrained = true }
        setWriteInterest(true)
        checkDrained()
        return
      case .wantsRead:
        return
      case .closed:
        failed(.closed)
        return
      case .unwritable:
        peerHasGone()
        return
      case .failed:
        failed(tlsFailure)
        return
      }
    }
    setWriteInterest(false)
    checkDrained()
  }

  /// The loop reports a socket that was reset whatever it is asked for: what stands in it is read then, from no frame but the loop's.
  private final func peerHasGone() {
    guard hearsLastWords else { return failed(.closed) }
    isUnwritable = true
    output.removeAll()
    setWriteInterest(false)
  }

  /// Adds `bytes` behind what is in `output`; long runs go to the TLS layer without being copied first.
  package final func send(_ bytes: UnsafeBufferPointer<UInt8>) {
    output.borrow(from: buffers)
    if output.count &+ bytes.count <= BufferPool.blockSize {
      output.append(bytes)
      return
    }
    flush()
    guard isOpen, !isUnwritable else { return }
    var rest = bytes
    // A partly written record must be offered again byte for byte, so after a refusal everything is queued.
    while output.isEmpty, phase == .open, !rest.isEmpty {
      switch wire.write(from: UnsafeRawPointer(rest.baseAddress.unsafelyUnwrapped), count: rest.count) {
      case .bytes(let count):
        rest = UnsafeBufferPointer(rebasing: rest[count...])
        bytesWritten &+= UInt64(truncatingIfNeeded: count)
      case .wantsWrite:
        setWriteInterest(true)
        output.append(rest)
        rest = UnsafeBufferPointer(start: nil, count: 0)
      case .wantsRead:
        output.append(rest)
        rest = UnsafeBufferPointer(start: nil, count: 0)
      case .closed:
        failed(.closed)
        return
      case .unwritable:
        peerHasGone()
        return
      case .failed:
        failed(tlsFailure)
        return
      }
    }
    if !rest.isEmpty { output.append(rest) }
    if output.count > Self.highWater { owesDrained = true }
  }

  private final var tlsFailure: TransportFailure {
    guard let failure = wire.failure else { return .closed }
    return .tls(failure)
  }

  private final func checkDrained() {
    guard owesDrained, output.count <= Self.lowWater else { return }
    owesDrained = false
    drained()
  }

  /// Says that a producer has paused for us although the high-water mark was not passed in `flush`.
  package final func oweDrained() { owesDrained = true }

  /// Gives back the memory of queues that are empty: for a connection between two requests. `close()` gives nothing
  /// back: frames further up may still be looking at `input`, which lives until the channel is buried.
  package final func releaseQueues() {
    input.giveBack(to: buffers)
    output.giveBack(to: buffers)
  }
}
