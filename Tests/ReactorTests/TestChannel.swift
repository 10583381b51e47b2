import CLinux
import Reactor

/// A channel whose events go to closures.
final class TestChannel: Channel {
  var onReady: (Readiness) -> Void = { _ in }
  var onDeadline: () -> Void = {}
  var onClosing: () -> Void = {}
  private(set) var events = 0
  private(set) var deadlines = 0
  private(set) var closings = 0

  override func ready(_ readiness: Readiness) {
    events += 1
    onReady(readiness)
  }

  override func deadlineReached() {
    deadlines += 1
    onDeadline()
  }

  override func closing() {
    closings += 1
    onClosing()
  }
}

/// A channel on one end of a socket pair; the test holds the other.
struct Wire {
  let channel: TestChannel
  let far: Int32

  init(_ loop: EventLoop) {
    var ends: [Int32] = [-1, -1]
    precondition(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &ends) == 0)
    channel = TestChannel(loop: loop, descriptor: ends[0])
    far = ends[1]
  }

  func send(_ bytes: [UInt8] = [1]) { _ = Syscall.write(far, bytes, bytes.count) }

  /// Takes what has come for the channel.
  func drain() {
    var buffer = [UInt8](repeating: 0, count: 256)
    _ = Syscall.read(channel.descriptor.raw, &buffer, buffer.count)
  }

  func close() {
    channel.close()
    _ = CLinux.close(far)
    // Tests have channels point at each other.
    channel.onReady = { _ in }
    channel.onDeadline = {}
    channel.onClosing = {}
  }
}

/// A generator that gives the same numbers in every run.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
