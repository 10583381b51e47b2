import CLinux
import Reactor
import Testing

final class EventLoopTests {
  private let loop: EventLoop

  init() throws { loop = try EventLoop() }

  /// A channel that was closed is buried at the end of a turn, and holds the loop until then.
  deinit { loop.closeAll() }

  @Test func `The time of day is the system's, and goes with the loop's clock within a turn`() {
    loop.turn(atMost: 5)
    let now = Clock.monotonicNanoseconds()
    let (told, real) = (loop.realNanoseconds(at: now), Clock.realNanoseconds())
    #expect(max(told, real) - min(told, real) < 1_000_000_000)
    #expect(loop.realNanoseconds(at: now + 7) == told + 7)
  }

  @Test func `A timer has no descriptor, and can be set again`() {
    var rings = 0
    let timer = LoopTimer(loop: loop) { rings += 1 }
    #expect(!timer.descriptor.isOpen && timer.isOpen)
    for round in 1...3 {
      timer.setDeadline(1)
      while rings < round { loop.turn(atMost: 5) }
    }
    timer.setDeadline(1)
    timer.close()
    #expect(loop.channelCount == 0 && !timer.isOpen)
    loop.turn(atMost: 5)
    #expect(rings == 3)
  }

  @Test func `A channel hears of bytes for as long as there are some`() throws {
    let wire = Wire(loop)
    defer { wire.close() }
    try wire.channel.register(.read)
    #expect(loop.channelCount == 1)
    loop.turn(atMost: 0)
    #expect(wire.channel.events == 0)
    wire.send()
    loop.turn(atMost: 0)
    loop.turn(atMost: 0)
    #expect(wire.channel.events == 2)
    wire.drain()
    loop.turn(atMost: 0)
    #expect(wire.channel.events == 2)
  }

  @Test func `A channel hears only of what it wants, and of hang-ups`() throws {
    let wire = Wire(loop)
    defer { wire.channel.close() }
    var heard = Readiness()
    wire.channel.onReady = { heard = $0 }
    try wire.channel.register([])
    wire.send()
    loop.turn(atMost: 0)
    #expect(wire.channel.events == 0)
    wire.channel.want([.read, .write])
    loop.turn(atMost: 0)
    #expect(heard == [.read, .write])
    wire.channel.want([])
    loop.turn(atMost: 0)
    #expect(wire.channel.events == 1)
    _ = CLinux.close(wire.far)
    loop.turn(atMost: 0)
    #expect(!heard.isDisjoint(with: .hangup))
  }

  @Test func `A channel closed by another's event hears nothing in the same turn`() throws {
    let one = Wire(loop)
    let two = Wire(loop)
    defer {
      one.close()
      two.close()
    }
    // Whichever the kernel names first closes the other.
    one.channel.onReady = { _ in two.channel.close() }
    two.channel.onReady = { _ in one.channel.close() }
    try one.channel.register(.read)
    try two.channel.register(.read)
    one.send()
    two.send()
    loop.turn(atMost: 0)
    #expect(one.channel.events + two.channel.events == 1)
    #expect(one.channel.isOpen != two.channel.isOpen)
    #expect(loop.channelCount == 1)
  }

  @Test func `An event on its way to a closed channel does not reach the slot's next tenant`() throws {
    let one = Wire(loop)
    let two = Wire(loop)
    let tenant = Wire(loop)
    defer { for wire in [one, two, tenant] { wire.close() } }
    func replace(_ other: Wire) {
      let slot = other.channel.slot
      other.channel.close()
      try? tenant.channel.register(.read)
      #expect(tenant.channel.slot?.index == slot?.index)
    }
    one.channel.onReady = { _ in replace(two) }
    two.channel.onReady = { _ in replace(one) }
    tenant.send()
    try one.channel.register(.read)
    try two.channel.register(.read)
    one.send()
    two.send()
    loop.turn(atMost: 0)
    #expect(tenant.channel.events == 0)
    one.channel.onReady = { _ in }
    two.channel.onReady = { _ in }
    loop.turn(atMost: 0)
    #expect(tenant.channel.events == 1)
  }

  @Test func `A deadline is reached once, after its time and within two ticks of it`() throws {
    let wire = Wire(loop)
    defer { wire.close() }
    try wire.channel.register(.read)
    let start = Clock.monotonicNanoseconds() / 1_000_000
    wire.channel.setDeadline(60)
    while wire.channel.deadlines == 0, Clock.monotonicNanoseconds() / 1_000_000 < start + 5_000 { loop.turn(atMost: 1_000) }
    // The loop's clock may have stood a little before `start`.
    #expect(Clock.monotonicNanoseconds() / 1_000_000 >= start + 50)
    #expect(wire.channel.deadlines == 1)
    wire.channel.setDeadline(1)
    wire.channel.setDeadline(0)
    loop.turn(atMost: 50)
    #expect(wire.channel.deadlines == 1)
  }

  @Test func `A deadline that has passed is reached although every event sets it again`() throws {
    let wire = Wire(loop)
    defer { wire.close() }
    // The other side is always writable, so there is an event in every turn.
    try wire.channel.register([.read, .write])
    let due = loop.now + 20
    wire.channel.setDeadline(at: due)
    wire.channel.onReady = { _ in wire.channel.setDeadline(at: due) }
    let start = Clock.monotonicNanoseconds() / 1_000_000
    while wire.channel.deadlines == 0, Clock.monotonicNanoseconds() / 1_000_000 < start + 5_000 { loop.turn(atMost: 0) }
    #expect(wire.channel.deadlines == 1)
  }

  @Test func `Closing forgets the deadline, and the slot's next tenant has none`() throws {
    let wire = Wire(loop)
    let tenant = Wire(loop)
    defer {
      wire.close()
      tenant.close()
    }
    try wire.channel.register(.read)
    wire.channel.setDeadline(1)
    wire.channel.close()
    try tenant.channel.register(.read)
    pass(milliseconds: 40)
    loop.turn(atMost: 0)
    #expect(wire.channel.deadlines == 0)
    #expect(tenant.channel.deadlines == 0)
  }

  @Test func `A deadline that passed for a closed channel does not reach the slot's next tenant`() throws {
    let one = Wire(loop)
    let two = Wire(loop)
    let tenant = Wire(loop)
    defer { for wire in [one, two, tenant] { wire.close() } }
    func replace(_ other: Wire) {
      other.channel.close()
      try? tenant.channel.register(.read)
    }
    one.channel.onDeadline = { replace(two) }
    two.channel.onDeadline = { replace(one) }
    try one.channel.register(.read)
    try two.channel.register(.read)
    one.channel.setDeadline(1)
    two.channel.setDeadline(1)
    pass(milliseconds: 40)
    loop.turn(atMost: 0)
    #expect(one.channel.deadlines + two.channel.deadlines == 1)
    #expect(tenant.channel.isOpen)
    #expect(tenant.channel.deadlines == 0)
  }

  @Test func `A deadline set anew by another's, in the turn in which it passed, is not reached before its time`() throws {
    let one = Wire(loop)
    let two = Wire(loop)
    defer {
      one.close()
      two.close()
    }
    one.channel.onDeadline = { two.channel.setDeadline(60_000) }
    two.channel.onDeadline = { one.channel.setDeadline(60_000) }
    try one.channel.register(.read)
    try two.channel.register(.read)
    one.channel.setDeadline(1)
    two.channel.setDeadline(1)
    pass(milliseconds: 40)
    loop.turn(atMost: 0)
    #expect(one.channel.deadlines + two.channel.deadlines == 1)
  }

  @Test func `A closed channel lives until the end of the turn and no longer`() throws {
    var wire: Wire? = Wire(loop)
    let far = wire!.far
    weak let channel = wire!.channel
    var wasThereAtTheEnd = false
    try wire!.channel.register(.read)
    wire!.send()
    wire!.channel.onReady = { [unowned loop] _ in
      channel?.close()
      #expect(loop.channelCount == 0)
    }
    loop.endOfTurn = { wasThereAtTheEnd = channel != nil }
    wire = nil
    #expect(channel != nil)
    loop.turn(atMost: 0)
    #expect(wasThereAtTheEnd)
    #expect(channel == nil)
    _ = CLinux.close(far)
  }

  @Test func `What is put off is done at the end of the turn, and what that puts off as well, up to a bound`() throws {
    let wire = Wire(loop)
    defer { wire.close() }
    try wire.channel.register(.read)
    wire.send()
    var done: [String] = []
    func again() {
      done.append("again")
      if done.count < 100 { loop.atTurnEnd(again) }
    }
    wire.channel.onReady = { [unowned loop] _ in
      loop.atTurnEnd { done.append("first") }
      loop.atTurnEnd(again)
      done.append("event")
      wire.drain()
    }
    loop.turn(atMost: 0)
    #expect(done.prefix(3) == ["event", "first", "again"])
    #expect(done.count > 3 && done.count < 10)
    // It does not wait for an event.
    loop.turn(atMost: 60_000)
    #expect(done.count > 4)
    while done.count < 100 { loop.turn(atMost: 0) }
  }

  @Test func `A loop that has closed all is held by nobody, and holds nobody`() throws {
    weak var gone: EventLoop?
    weak var channel: TestChannel?
    do {
      let loop = try EventLoop()
      gone = loop
      let wire = Wire(loop)
      channel = wire.channel
      try wire.channel.register(.read)
      wire.channel.setDeadline(60_000)
      wire.channel.awaitTurnEnd()
      loop.endOfTurn = { _ = loop.now }
      loop.closeAll()
      _ = CLinux.close(wire.far)
    }
    #expect(channel == nil)
    #expect(gone == nil)
  }

  @Test func `Closing twice says goodbye once`() throws {
    let wire = Wire(loop)
    try wire.channel.register(.read)
    wire.close()
    wire.channel.close()
    #expect(wire.channel.closings == 1)
    #expect(!wire.channel.isOpen)
    // Without a slot these have no effect.
    wire.channel.setDeadline(1)
    wire.channel.want(.write)
  }

  @Test func `A descriptor the kernel does not take leaves no trace in the table`() throws {
    let channel = TestChannel(loop: loop, descriptor: 1_000_000)
    #expect(throws: Errno(EBADF)) { try channel.register(.read) }
    #expect(loop.channelCount == 0)
    #expect(!channel.isOpen)
  }

  @Test func `A channel that was never registered can be abandoned`() {
    let wire = Wire(loop)
    wire.channel.abandon()
    var byte: UInt8 = 0
    // The other end sees the close.
    guard case .done(0) = Syscall.read(wire.far, &byte, 1) else {
      Issue.record("the descriptor is still open")
      return
    }
    _ = CLinux.close(wire.far)
  }

  @Test func `Running ends when it is told to, and closes what is open, and what that opens`() throws {
    let wire = Wire(loop)
    let late = Wire(loop)
    try wire.channel.register(.read)
    wire.channel.onReady = { [unowned loop] _ in loop.stop() }
    wire.channel.onClosing = { try? late.channel.register(.read) }
    wire.send()
    loop.run()
    #expect(wire.channel.closings == 1)
    #expect(late.channel.closings == 1)
    #expect(loop.channelCount == 0)
    _ = CLinux.close(wire.far)
    _ = CLinux.close(late.far)
  }

  private func pass(milliseconds: UInt32) { usleep(milliseconds * 1_000) }
}
