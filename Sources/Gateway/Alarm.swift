import CLinux
import Reactor

/// One deadline on the control loop.
final class Alarm: Channel {
  private let ring: () -> Void

  @discardableResult
  init(loop: EventLoop, after milliseconds: Int, _ ring: @escaping () -> Void) throws(Errno) {
    self.ring = ring
    let descriptor = Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_CLOEXEC))) })
    super.init(loop: loop, descriptor: descriptor)
    try register([])
    setDeadline(max(1, milliseconds))
  }

  override func deadlineReached() {
    ring()
    close()
  }
}
