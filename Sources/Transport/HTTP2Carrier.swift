import HTTP2
import Reactor

/// What the two sides' HTTP/2 connections have in common: a session on a channel, written as far as the peer takes it, and one
/// deadline for all that wait.
open class HTTP2Carrier: HTTP2Owner {
  /// Has this until it closes.
  private let channel: SecureChannel
  /// Forgets this with `abandon`.
  package final let session: HTTP2Session
  private var isWriting = false
  private var writesAgain = false
  /// What the channel's deadline is set to.
  private var wakesAt = UInt64.max

  /// - Parameter session: has no owner yet.
  public init(channel: SecureChannel, session: HTTP2Session) {
    self.channel = channel
    self.session = session
    channel.gathersRecords = true
    super.init()
    session.owner = self
  }

  /// Milliseconds of the loop's clock.
  package final var now: UInt64 { channel.loop.now }

  /// All has been written that can be now. Ends the connection if there is nothing left to say or to hear.
  open func written() {}

  /// Writes what has been produced: as much as the peer takes, never more than the high-water mark ahead of it. What exchanges
  /// produce waits for the end of the turn (`Channel.awaitTurnEnd`), so that many streams share a record.
  package final func write() {
    // From within `receive`: it is followed by a write of its own.
    if session.isBusy { return }
    guard !isWriting else {
      writesAgain = true
      return
    }
    isWriting = true
    var pulled = false
    repeat {
      writesAgain = false
      pulled = false
      let room = SecureChannel.highWater - channel.output.count
      if room > 0 {
        channel.output.borrow(from: channel.buffers)
        session.pull(into: &channel.output, atMost: room, now: now)
        pulled = !channel.output.isEmpty
      }
      if !channel.output.isEmpty { channel.flush() }
      guard channel.isOpen else { return }
      // The owner's calls may produce more, which goes out in another round.
      session.settle()
      guard channel.isOpen else { return }
    } while (writesAgain || pulled && session.wantsWrite) && channel.output.isEmpty
    isWriting = false
    if !channel.output.isEmpty { channel.oweDrained() }
    written()
  }

  /// The channel is gone: nothing is written any more, and the session's streams end.
  package final func abandon(_ code: HTTP2ErrorCode = .cancel) {
    isWriting = true
    session.abandon(code)
  }

  /// Sees to it that the channel's `deadlineReached` is called by `time`, in ms of the loop's clock.
  package final func wake(at time: UInt64) {
    guard time < wakesAt else { return }
    wakesAt = time
    channel.setDeadline(at: time)
  }

  /// The deadline has passed, or another is to take its place whether it is nearer or not.
  package final func forgetWake() { wakesAt = .max }
}
