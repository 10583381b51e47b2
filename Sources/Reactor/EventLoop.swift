import Bytes
import CLinux

/// One thread's loop: waits for events, hands each to its channel, fires deadlines, buries what was closed.
///
/// Not Sendable: everything on it is touched by its own thread only. What other threads have to say comes through a
/// `Mailbox`.
public final class EventLoop {
  package var poller: Poller
  /// The channels that are open. What the kernel is given to remember is a channel's slot: an event that was on its way when its
  /// channel was closed finds nobody.
  private var table = SlotTable<Channel>()
  private var wheel: TimerWheel
  private var expired: [UInt32] = []
  private var due: [SlotID] = []
  private var graveyard: [Channel] = []
  /// Channels that asked for `turnEnding`, and those being told.
  private var ending: [Channel] = []
  private var told: [Channel] = []
  package typealias Work = () -> Void
  /// What is to be done at the end of this turn.
  private var deferred: [Work] = []
  /// Rounds of `turnEnding` in one turn: what is asked for beyond them waits for the next, so that two channels that keep each
  /// other busy do not keep the others waiting.
  private static let endingRounds = 4
  private var moderation = Moderation()
  /// How often channels asked for the end of this turn: something like the messages that they will write then.
  var messages = 0
  /// Nanoseconds to rest before the next turn.
  private var rest: UInt64 = 0
  /// How often the loop has rested.
  package private(set) var restCount = 0
  private var isStopping = false
  /// Called at the end of each turn, after events and deadlines: flush logs, install snapshots.
  package var endOfTurn: (() -> Void)?

  /// Milliseconds of the monotonic clock, read once a turn.
  package private(set) var now: UInt64
  /// Turns begun.
  package private(set) var turnCount: UInt64 = 0
  /// How many descriptors the present turn has something to do for.
  package private(set) var eventCount = 0
  /// The event that is being handled, or the first of those that are still to be; nil between two turns.
  private var position: Int?
  /// The turn in which `isToldOfAll` was asked last.
  private var askedIn: UInt64 = 0
  /// Nanoseconds for which what the kernel said at the beginning of a turn is as good as new.
  package static let freshness: UInt64 = 1_000_000
  /// Nanoseconds of the monotonic clock, read once a turn.
  package private(set) var nowNanoseconds: UInt64
  /// What the time since 1970 is ahead of the monotonic clock, in ns, looked up once in a millisecond: the former may be set.
  private var realAhead: UInt64 = 0

  /// Nil for the system's clocks.
  private let hands: ClockHands?

  /// - Parameter hands: what to go by in place of the system's clocks.
  package init(hands: ClockHands? = nil) throws(Errno) {
    poller = try Poller()
    self.hands = hands
    nowNanoseconds = hands?.monotonic ?? Clock.monotonicNanoseconds()
    now = nowNanoseconds / 1_000_000
    wheel = TimerWheel(now: now)
    realAhead = hands?.realAhead ?? (Clock.realNanoseconds() &- nowNanoseconds)
    expired.reserveCapacity(256)
    due.reserveCapacity(256)
    ending.reserveCapacity(256)
    told.reserveCapacity(256)
    graveyard.reserveCapacity(256)
  }

  /// Channels that are open on this loop.
  package var channelCount: Int { table.count }

  /// Runs until `stop()`.
  package func run() {
    while !isStopping { turn() }
    closeAll()
  }

  /// Ends `run` after the present turn.
  package func stop() { isStopping = true }

  /// One turn: wait, events, deadlines, the end-of-turn work, burial.
  package func turn(atMost limit: Int32 = -1) {
    if rest > 0 { takeRest() }
    let count = poller.wait(milliseconds: timeout(limit))
    eventCount = count
    turnCount &+= 1
    readClock()
    var index = 0
    while index < count {
      position = index
      let event = poller.event(index)
      if let channel = table.find(event.id) { channel.ready(event.readiness) }
      index &+= 1
    }
    position = count
    fireDeadlines()
    let (writers, gathered) = (ending.count, messages)
    tellEnding()
    messages = 0
    if writers > 1 {
      rest = moderation.turnEnded(
        began: nowNanoseconds, ended: monotonicNanoseconds, messages: gathered, writers: writers)
    }
    endOfTurn?()
    position = nil
    // Here and nowhere else do closed channels die: no event of this turn can reach them any more.
    if !graveyard.isEmpty { graveyard.removeAll(keepingCapacity: true) }
  }

  /// Whether the kernel was asked a moment ago, in this turn, and has told of all channels that it had something to tell of. Whoever asks
  /// first in a turn that has one event spares itself the look at the clock.
  package func isToldOfAll() -> Bool {
    guard position != nil, eventCount < Poller.capacity else { return false }
    let isFirst = askedIn != turnCount
    askedIn = turnCount
    if isFirst, eventCount == 1 { return true }
    return monotonicNanoseconds &- nowNanoseconds <= Self.freshness
  }

  /// Whether an event for a channel is among those of this turn that are still to be handled.
  package func isToHear(_ id: SlotID) -> Bool {
    guard var index = position else { return false }
    while index < eventCount {
      if poller.event(index).id == id { return true }
      index &+= 1
    }
    return false
  }

  private func takeRest() {
    var time = timespec(tv_sec: 0, tv_nsec: Int(rest))
    nanosleep(&time, nil)
    rest = 0
    restCount &+= 1
  }

  /// Calls `work` at the end of this turn, or of the next when this one has done enough: for what is to follow a teardown and may meet
  /// what is being torn down if it came at once.
  package func atTurnEnd(_ work: @escaping Work) { deferred.append(work) }

  private func performDeferred() {
    let due = deferred
    deferred = []
    for work in due { work() }
  }

  private func tellEnding() {
    var round = 0
    while !ending.isEmpty || !deferred.isEmpty, round < Self.endingRounds {
      if !deferred.isEmpty { performDeferred() }
      swap(&ending, &told)
      for channel in told { channel.endTurn() }
      told.removeAll(keepingCapacity: true)
      round &+= 1
    }
  }

  private func timeout(_ limit: Int32) -> Int32 {
    if !ending.isEmpty || !deferred.isEmpty { return 0 }
    guard let delay = wheel.delay(now: now) else { return limit }
    let bounded = Int32(min(delay &+ 1, 60_000))
    return limit >= 0 ? min(limit, bounded) : bounded
  }

  private func readClock() {
    nowNanoseconds = monotonicNanoseconds
    let milliseconds = nowNanoseconds / 1_000_000
    guard milliseconds != now else { return }
    now = milliseconds
    if hands == nil { realAhead = Clock.realNanoseconds() &- nowNanoseconds }
  }

  /// Nanoseconds of the monotonic clock at this moment, for what is measured within a turn.
  package var monotonicNanoseconds: UInt64 {
    if let hands { return hands.monotonic }
    return Clock.monotonicNanoseconds()
  }

  /// Nanoseconds since 1970 at `monotonic`, a time of the present turn.
  package func realNanoseconds(at monotonic: UInt64) -> UInt64 { monotonic &+ realAhead }

  private func fireDeadlines() {
    wheel.advance(now: now, into: &expired)
    guard !expired.isEmpty else { return }
    // A channel whose deadline has passed may close another, whose slot then gets a new tenant, or set its deadline anew:
    // neither is to hear of the deadline that was. So tenants are noted before the first of them is called.
    for slot in expired { if let id = table.id(at: Int(slot)) { due.append(id) } }
    expired.removeAll(keepingCapacity: true)
    for id in due { table.find(id)?.filedTimeReached() }
    due.removeAll(keepingCapacity: true)
  }

  /// Closes every channel, for a loop that will not turn again, and lets go of all that it holds.
  package func closeAll() {
    // Closing one may open another: a request that waited for the place that became free.
    while !table.isEmpty || !deferred.isEmpty {
      for channel in table.all() { channel.close() }
      performDeferred()
    }
    endOfTurn?()
    endOfTurn = nil
    ending.removeAll()
    graveyard.removeAll()
  }

  /// The channel of a slot, unless it has closed. Who has to find one again keeps its slot, not the channel.
  package func channel(_ id: SlotID) -> Channel? { table.find(id) }

  // MARK: For channels

  func insert(_ channel: Channel) -> SlotID { table.insert(channel) }

  func discard(_ id: SlotID) { _ = table.remove(id) }

  func setDeadline(_ slot: Int, _ deadline: UInt64) { wheel.set(slot, deadline: deadline) }

  func awaitsEnd(_ channel: Channel) { ending.append(channel) }

  func retire(_ id: SlotID) {
    wheel.remove(Int(id.index))
    if let channel = table.remove(id) { graveyard.append(channel) }
  }

  /// Every open channel, for draining and for tests. Cold.
  package func channels() -> [Channel] { table.all() }
}
