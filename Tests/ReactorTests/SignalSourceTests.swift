import CLinux
import Reactor
import Testing

@Suite(.serialized) struct SignalSourceTests {
  /// Signals are sent to this thread alone, and blocked in it alone: no other test is any the wiser.
  @Test func `A blocked signal becomes an event`() throws {
    SignalSource.block([SIGUSR2, SIGHUP])
    defer { SignalSource.unblock([SIGUSR2, SIGHUP]) }
    let loop = try EventLoop()
    var heard: [Int32] = []
    let source = try SignalSource(loop: loop, signals: [SIGUSR2, SIGHUP]) { heard.append($0) }
    try source.register(.read)
    loop.turn(atMost: 0)
    #expect(heard == [])
    pthread_kill(pthread_self(), SIGUSR2)
    loop.turn(atMost: 1_000)
    #expect(heard == [SIGUSR2])
    pthread_kill(pthread_self(), SIGUSR2)
    pthread_kill(pthread_self(), SIGHUP)
    loop.turn(atMost: 1_000)
    #expect(Set(heard.dropFirst()) == [SIGUSR2, SIGHUP])
    loop.turn(atMost: 0)
    #expect(heard.count == 3)
    source.close()
    loop.turn(atMost: 0)
  }

  @Test func `A signal that is let through again ends the process`() async {
    await #expect(processExitsWith: .signal(SIGUSR2)) {
      SignalSource.block([SIGUSR2])
      pthread_kill(pthread_self(), SIGUSR2)
      SignalSource.unblock([SIGUSR2])
    }
  }
}
