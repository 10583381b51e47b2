import CLinux

/// Signals as events, through signalfd. Block them in every thread first (`SignalSource.block`), before any is started.
public final class SignalSource: Channel {
  private let deliver: (Int32) -> Void

  /// Blocks `signals` for this thread and those it starts, so that they wait for the source instead of killing us.
  package static func block(_ signals: [Int32]) {
    var set = signalSet(signals)
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Lets `signals` through again, for a child process about to be executed.
  package static func unblock(_ signals: [Int32]) {
    var set = signalSet(signals)
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }

  package init(loop: EventLoop, signals: [Int32], deliver: @escaping (Int32) -> Void) throws(Errno) {
    var set = Self.signalSet(signals)
    let flags = Int32(SFD_NONBLOCK | SFD_CLOEXEC)
    let descriptor = Int32(try Syscall.require { Int(signalfd(-1, &set, flags)) })
    self.deliver = deliver
    super.init(loop: loop, descriptor: descriptor)
  }

  public override func ready(_ readiness: Readiness) {
    var info = signalfd_siginfo()
    while case .done(let count) = Syscall.read(descriptor.raw, &info, MemoryLayout<signalfd_siginfo>.size),
      count == MemoryLayout<signalfd_siginfo>.size
    {
      deliver(Int32(info.ssi_signo))
    }
  }

  private static func signalSet(_ signals: [Int32]) -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    return set
  }
}
