/// A deadline on a loop that is no connection's, and can be set again and again.
///
/// It has no descriptor. What ends the process, gives keys up or tries anew has to work when descriptors have run out, too: clients can
/// bring that about.
package final class LoopTimer: Channel {
  private let ring: () -> Void

  package init(loop: EventLoop, _ ring: @escaping () -> Void) {
    self.ring = ring
    super.init(timing: loop)
    enter()
  }

  package override func deadlineReached() { ring() }
}
