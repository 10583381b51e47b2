import CLinux
import Reactor

/// A deadline on the control loop that can be set again and again.
final class ControlTimer: Channel {
  private let ring: () -> Void

  init(loop: EventLoop, _ ring: @escaping () -> Void) throws(Errno) {
    self.ring = ring
    super.init(loop: loop, descriptor: Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_CLOEXEC))) }))
    try register([])
  }

  override func deadlineReached() { ring() }
}
