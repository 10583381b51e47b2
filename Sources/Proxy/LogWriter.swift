import Bytes
import CLinux
import Limits
import Reactor

/// A worker's lines on their way to the access log: gathered in a queue, written at the end of the loop's turn.
///
/// A log that cannot be written is not worth a request: nothing here waits. When the reader of a pipe stalls, lines are kept
/// up to a bound and dropped beyond it, whole ones only. Half of what is kept is for whoever comes first; of the other half each client has
/// a share, so that a flood of one drops its own lines and not those of others.
struct LogWriter: ~Copyable {
  var queue = ByteQueue()
  /// The control thread's; a rotation puts another file behind the same number.
  private let descriptor: Int32
  /// Lines dropped since the reader stalled, to be told when it goes on.
  private(set) var dropped = 0
  /// Lines thrown away since that was told, because writing them failed for good, and why.
  private(set) var discarded = 0
  private(set) var failure: Errno?
  /// What was written last ends within a line; and a failure has kept the rest of it from following.
  private var endsWithinLine = false
  private var isTorn = false

  /// Bytes of each client beyond `half`, since the reader last took any.
  private var shares = FairPlaces<ClientAddress>(of: limit - half)

  /// Bytes kept for a reader that stalls.
  private static let limit = 1 << 20
  private static let half = limit / 2
  /// Writes of no more than this are not mixed with another worker's in a pipe (POSIX PIPE_BUF).
  private static let atomic = 4096

  /// - Parameter descriptor: -1 for no log.
  init(descriptor: Int32) { self.descriptor = descriptor }

  /// Whether it has to be known whose a line is.
  var isCrowded: Bool { queue.count >= Self.half }

  /// Whether there is room for another line of `client`; counts it as dropped if not.
  mutating func admitsLine(of client: ClientAddress) -> Bool {
    if queue.count < Self.limit, !isCrowded || client.isUnknown || shares.grants(to: client) { return true }
    dropped += 1
    return false
  }

  /// So many bytes of a line were put into the queue when it was crowded.
  mutating func took(_ count: Int, of client: ClientAddress) {
    if !client.isUnknown { shares.take(count, for: client) }
  }

  mutating func failureWasTold() { failure = nil }

  /// So many lines were discarded, and somebody tells it.
  mutating func takeDiscarded() -> Int {
    defer { discarded = 0 }
    return discarded
  }

  /// Writes what can be written now. Returns how many lines were lost before, once the reader goes on.
  mutating func flush() -> Int {
    guard descriptor >= 0 else {
      queue.removeAll()
      return 0
    }
    let isFile = gh_is_regular_file(descriptor) != 0
    let before = queue.count
    defer { shareAnew(before) }
    if isTorn, !queue.isEmpty { endTornLine() }
    while !queue.isEmpty {
      let count = isFile ? queue.count : lines(within: Self.atomic)
      guard let written = write(count, isFile: isFile) else { return 0 }
      queue.consume(written)
    }
    defer { dropped = 0 }
    return dropped
  }

  /// What has become free is shared by whoever comes next.
  private mutating func shareAnew(_ before: Int) {
    guard before >= Self.half, queue.count < before else { return }
    shares = FairPlaces(of: Self.limit - max(queue.count, Self.half))
  }

  /// Writes what is left, when there is nothing else to do any more. False when the reader has not taken it in time.
  mutating func finish(within milliseconds: UInt64) -> Bool {
    let end = Clock.milliseconds &+ milliseconds
    _ = flush()
    while !queue.isEmpty, Clock.milliseconds < end {
      var pause = timespec(tv_sec: 0, tv_nsec: 2_000_000)
      nanosleep(&pause, nil)
      _ = flush()
    }
    return queue.isEmpty
  }

  /// Bytes of the whole lines that fit into `limit`; of the first line if that alone does not.
  private func lines(within limit: Int) -> Int {
    let bytes = queue.readable
    guard bytes.count > limit else { return bytes.count }
    if let end = bytes[..<limit].lastIndex(of: 0x0a) { return end + 1 }
    return (bytes.firstIndex(of: 0x0a) ?? bytes.count - 1) + 1
  }

  /// Nil when nothing can be written now; what fails for good is given up.
  private mutating func write(_ count: Int, isFile: Bool) -> Int? {
    let start = queue.start
    // A socket, as systemd gives for standard output, blocks unless each call says not to.
    var result = isFile ? SyscallResult.failed(Errno(ENOTSOCK)) : Syscall.sendNow(descriptor, start, count)
    if case .failed(let error) = result, error.code == ENOTSOCK {
      result = Syscall.run { CLinux.write(descriptor, start, count) }
    }
    switch result {
    case .done(let written):
      if written > 0 { endsWithinLine = queue.readable[written &- 1] != 0x0a }
      return written
    case .wouldBlock: return nil
    case .failed(let error):
      discarded += queue.readable.count { $0 == 0x0a }
      failure = error
      isTorn = endsWithinLine
      return queue.count
    }
  }

  /// What comes next is to be read in spite of what was torn before.
  private mutating func endTornLine() {
    var newline: UInt8 = 0x0a
    guard case .done = Syscall.run({ CLinux.write(descriptor, &newline, 1) }) else { return }
    isTorn = false
    endsWithinLine = false
  }
}
