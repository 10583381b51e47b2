import Bytes
import CLinux
import Foundation
import Reactor
import Testing

struct MailboxTests {
  private enum Message: Sendable {
    case number(sender: Int, value: Int)
    case stop
  }

  @Test func `Messages come in the order of their posting, and only in a turn`() throws {
    let loop = try EventLoop()
    let mailbox = try Mailbox<Int>()
    var received: [Int] = []
    try mailbox.attach(to: loop) { received.append($0) }
    for value in 0..<5 { mailbox.post(value) }
    #expect(received == [])
    loop.turn(atMost: 1_000)
    #expect(received == [0, 1, 2, 3, 4])
    loop.turn(atMost: 0)
    #expect(received.count == 5)
    loop.stop()
    loop.run()
  }

  @Test func `A message posted while one is delivered is not lost`() throws {
    let loop = try EventLoop()
    let mailbox = try Mailbox<Int>()
    var received: [Int] = []
    try mailbox.attach(to: loop) { value in
      received.append(value)
      if value < 3 { mailbox.post(value + 1) }
    }
    mailbox.post(0)
    for _ in 0..<10 where received.count < 4 { loop.turn(atMost: 1_000) }
    #expect(received == [0, 1, 2, 3])
    loop.stop()
    loop.run()
  }

  @Test func `Messages from many threads all arrive, each thread's in its order`() throws {
    let senders = 4
    let each = 2_000
    let mailbox = try Mailbox<Message>()
    let received = Locked<[[Int]]>(Array(repeating: [], count: senders))
    let ended = DispatchSemaphore(value: 0)
    let thread = Thread {
      defer { ended.signal() }
      guard let loop = try? EventLoop() else { return }
      try? mailbox.attach(to: loop) { message in
        switch message {
        case .number(let sender, let value): received.withLock { $0[sender].append(value) }
        case .stop: loop.stop()
        }
      }
      loop.run()
    }
    thread.start()
    let group = DispatchGroup()
    for sender in 0..<senders {
      group.enter()
      Thread {
        for value in 0..<each { mailbox.post(.number(sender: sender, value: value)) }
        group.leave()
      }.start()
    }
    #expect(group.wait(timeout: .now() + 60) == .success)
    mailbox.post(.stop)
    #expect(ended.wait(timeout: .now() + 60) == .success)
    #expect(received.withLock { $0 } == Array(repeating: Array(0..<each), count: senders))
  }
}
