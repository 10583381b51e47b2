import CLinux
import Reactor

/// A deadline on the loop that is no connection's.
final class FeedTimer: Channel {
  private let ring: () -> Void

  init(loop: EventLoop, _ ring: @escaping () -> Void) throws(Errno) {
    self.ring = ring
    let descriptor = Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_CLOEXEC))) })
    super.init(loop: loop, descriptor: descriptor)
    try register([])
  }

  override func deadlineReached() { ring() }
}
