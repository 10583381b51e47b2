import Bytes

/// Something with a descriptor and a deadline on one event loop: a connection, a listener, a mailbox.
///
/// A base class rather than a protocol: a call through a class's table costs one load, an existential box costs
/// retain and release on every event. Subclasses override `ready` and `deadlineReached`. A channel belongs to one
/// loop and is touched only on that loop's thread.
open class Channel {
  /// Holds this for as long as it is open; a channel that has closed is held by whoever still looks at it.
  package final let loop: EventLoop
  package final private(set) var descriptor: FileDescriptor
  package final private(set) var interest: Readiness = []
  package final private(set) var slot: SlotID?
  /// When `deadlineReached` is due, in ms of the loop's clock; 0 for never.
  private final var deadline: UInt64 = 0
  /// When the wheel looks at this channel next; a deadline at or after that need not be told to the wheel.
  private final var filedFor = UInt64.max

  /// Takes ownership of `descriptor`. The channel hears nothing before `register`.
  public init(loop: EventLoop, descriptor: Int32) {
    self.loop = loop
    self.descriptor = FileDescriptor(owning: descriptor)
  }

  /// Without a descriptor, for what has a deadline and nothing else.
  init(timing loop: EventLoop) {
    self.loop = loop
    descriptor = FileDescriptor(owning: -1)
  }

  deinit { assert(!descriptor.isOpen, "a channel was dropped without close()") }

  /// The descriptor is ready. Never called after `close()`.
  open func ready(_ readiness: Readiness) {}

  /// The deadline set last has passed and is cleared.
  open func deadlineReached() {}

  /// The turn's events have been handled: what they produced can be written in one piece. Called once for a turn in which
  /// `awaitTurnEnd` was; never after `close()`.
  open func turnEnding() {}

  /// The last call a channel gets, inside `close()`: give back what is held. The descriptor is still open.
  open func closing() {}

  private final var awaitsTurnEnd = false

  /// Asks for `turnEnding`. Next to nothing when asked before; once for each message that is to be written.
  package final func awaitTurnEnd() {
    loop.messages &+= 1
    guard !awaitsTurnEnd, isOpen else { return }
    awaitsTurnEnd = true
    loop.awaitsEnd(self)
  }

  final func endTurn() {
    awaitsTurnEnd = false
    if isOpen { turnEnding() }
  }

  package final var isOpen: Bool { slot != nil }

  /// Puts the channel into the loop's table and asks the kernel for `interest`.
  package final func register(_ interest: Readiness) throws(Errno) {
    precondition(slot == nil)
    let id = loop.insert(self)
    do {
      try loop.poller.add(descriptor.raw, interest, id)
    } catch {
      loop.discard(id)
      descriptor.close()
      throw error
    }
    slot = id
    self.interest = interest
  }

  /// Puts a channel without a descriptor into the loop's table, which cannot fail.
  final func enter() {
    precondition(slot == nil && !descriptor.isOpen)
    slot = loop.insert(self)
  }

  /// Changes what the channel hears of. Free when nothing changes.
  package final func want(_ interest: Readiness) {
    if interest != self.interest { changeInterest(interest) }
  }

  @inline(never) private final func changeInterest(_ interest: Readiness) {
    guard let slot else { return }
    self.interest = interest
    loop.poller.modify(descriptor.raw, interest, slot)
  }

  /// Sets the time at which `deadlineReached` is called, in milliseconds from now; 0 clears it.
  ///
  /// A request sets eleven. Most are later than the last and only stored; the wheel asks for them when it comes by.
  package final func setDeadline(_ milliseconds: Int) {
    deadline = milliseconds == 0 ? 0 : loop.now &+ UInt64(milliseconds)
    if deadline != 0, deadline < filedFor { file() }
  }

  /// Sets the time at which `deadlineReached` is called, in ms of the loop's clock. One that has passed stays passed: however
  /// often it is set again, it is reached at the end of the turn.
  package final func setDeadline(at time: UInt64) {
    deadline = max(1, time)
    if deadline < filedFor { file() }
  }

  /// Moves the time that was set further away; nothing where none is set.
  package final func postponeDeadline(by milliseconds: Int) {
    if deadline != 0 { deadline &+= UInt64(milliseconds) }
  }

  @inline(never) private final func file() {
    guard let slot else { return }
    filedFor = deadline
    loop.setDeadline(Int(slot.index), deadline)
  }

  /// The wheel has come by: the deadline has passed, was moved, or was cleared.
  final func filedTimeReached() {
    filedFor = .max
    if deadline == 0 { return }
    if deadline > loop.now { return file() }
    deadline = 0
    deadlineReached()
  }

  /// Closes the descriptor, forgets deadline and slot, and keeps the object alive until the end of the loop's turn,
  /// so that whoever called us can return through our frames.
  package final func close() {
    guard let slot else { return }
    self.slot = nil
    closing()
    if descriptor.isOpen { loop.poller.remove(descriptor.raw) }
    descriptor.close()
    loop.retire(slot)
  }

  /// Closes a channel that was never registered.
  package final func abandon() {
    precondition(slot == nil)
    descriptor.close()
  }
}
