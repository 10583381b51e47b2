import Bytes
import CLinux

/// How other threads speak to a loop: messages in a locked list, an eventfd to wake it.
///
/// Off the request path: snapshots, drain, new listeners. `post` may be called from any thread.
package final class Mailbox<Message: Sendable>: Sendable {
  private let messages = Locked<[Message]>([])
  private let wake: Int32

  package init() throws(Errno) {
    wake = Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))) })
  }

  deinit { _ = close(wake) }

  package func post(_ message: Message) {
    let wasEmpty = messages.withLock { list in
      list.append(message)
      return list.count == 1
    }
    guard wasEmpty else { return }
    var one: UInt64 = 1
    // Fails only when the counter is full, and then the loop is awake already.
    _ = CLinux.write(wake, &one, 8)
  }

  /// Takes what has been posted, in order.
  fileprivate func take() -> [Message] {
    var counter: UInt64 = 0
    _ = CLinux.read(wake, &counter, 8)
    return messages.withLock { list in
      let taken = list
      list.removeAll()
      return taken
    }
  }

  /// Delivers messages on `loop`'s thread. The channel is registered and lives until the loop ends.
  package func attach(to loop: EventLoop, _ deliver: @escaping (Message) -> Void) throws(Errno) {
    let copy = Int32(try Syscall.require { Int(gh_duplicate(wake)) })
    try MailboxChannel(loop: loop, descriptor: copy, mailbox: self, deliver: deliver).register(.read)
  }

  private final class MailboxChannel: Channel {
    private let mailbox: Mailbox<Message>
    private let deliver: (Message) -> Void

    init(loop: EventLoop, descriptor: Int32, mailbox: Mailbox<Message>, deliver: @escaping (Message) -> Void) {
      self.mailbox = mailbox
      self.deliver = deliver
      super.init(loop: loop, descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness) {
      for message in mailbox.take() { deliver(message) }
    }
  }
}
