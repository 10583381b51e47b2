import CLinux
import Reactor
import Testing

struct SyscallTests {
  private func outcomes(_ errors: [Int32], then value: Int) -> (SyscallResult, calls: Int) {
    var calls = 0
    let result = Syscall.run {
      defer { calls += 1 }
      guard calls < errors.count else { return value }
      gh_set_errno(errors[calls])
      return -1
    }
    return (result, calls)
  }

  @Test func `An interrupted call is made again`() {
    let (result, calls) = outcomes([EINTR, EINTR], then: 7)
    guard case .done(7) = result else {
      Issue.record("\(result)")
      return
    }
    #expect(calls == 3)
  }

  @Test func `A call that would block is no failure`() {
    guard case (.wouldBlock, calls: 1) = outcomes([EAGAIN], then: 7) else {
      Issue.record("EAGAIN was taken for something else")
      return
    }
  }

  @Test func `A failure carries its number and its text`() {
    guard case (.failed(let error), calls: 1) = outcomes([ECONNRESET], then: 7) else {
      Issue.record("ECONNRESET was taken for something else")
      return
    }
    #expect(error.code == ECONNRESET)
    #expect(error.description == "Connection reset by peer")
  }

  @Test(arguments: [(EMFILE, true), (ENFILE, true), (ENOBUFS, true), (ENOMEM, true), (ECONNABORTED, false), (EINVAL, false)])
  func `Exhaustion is told from other failures`(code: Int32, isExhaustion: Bool) {
    #expect(Errno(code).isExhaustion == isExhaustion)
  }

  @Test func `Writing to a peer that is gone is an error and not a signal`() throws {
    let loop = try EventLoop()
    let wire = Wire(loop)
    _ = close(wire.far)
    var byte: UInt8 = 1
    guard case .failed(Errno(EPIPE)) = Syscall.write(wire.channel.descriptor.raw, &byte, 1) else {
      Issue.record("no EPIPE")
      return
    }
    wire.channel.abandon()
  }

  @Test func `A descriptor is given up or closed, once`() {
    var first = FileDescriptor(owning: dup(0))
    let isOpen = first.isOpen
    let raw = first.take()
    let isOpenAfter = first.isOpen
    #expect(isOpen)
    #expect(!isOpenAfter)
    var second = FileDescriptor(owning: raw)
    second.close()
    second.close()
    let isOpenAtLast = second.isOpen
    #expect(!isOpenAtLast)
  }
}
