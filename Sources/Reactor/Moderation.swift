/// Decides whether a loop rests for a moment before it looks for more to do, as network cards do before they interrupt.
///
/// Connections that carry many messages (HTTP/2) read and write for all of them at once: what a message costs falls with how many
/// share a read, a TLS record and a write. A loop that is faster than its peers finds few each time, and the faster it is the fewer.
/// So when it is busy all the same, and its connections do share, it gives their messages time to gather. A loop that has time to
/// spare does not rest, nor does one that finds enough without.
struct Moderation {
  /// Nanoseconds to rest. The kernel wakes whom it pleases up to 50,000 later (PR_SET_TIMERSLACK).
  static let rest: UInt64 = 50_000
  /// Messages for each connection that is written to, from which on they share enough.
  static let leastShared = 4
  /// Nanoseconds that a turn takes at least to be worth a rest: no message waits longer for it than for the turn itself.
  static let shortest: UInt64 = 100_000
  /// Nanoseconds from which on a turn has found enough.
  static let longest: UInt64 = 500_000
  /// Nanoseconds after each of which it is judged whether the loop is busy: whether such turns took half of them.
  static let window: UInt64 = 10_000_000

  private var windowBegan: UInt64 = 0
  private var worked: UInt64 = 0
  private(set) var isBusy = false

  /// A turn is over in which several connections wait for its end to write.
  ///
  /// - Parameters:
  ///   - began: nanoseconds of a monotonic clock.
  ///   - ended: the same.
  ///   - messages: how many are written, on all `writers` together.
  /// - Returns: nanoseconds to rest before the next turn; 0 for none.
  mutating func turnEnded(began: UInt64, ended: UInt64, messages: Int, writers: Int) -> UInt64 {
    let time = ended &- began
    worked &+= time
    let elapsed = ended &- windowBegan
    if elapsed >= Self.window {
      // Of a window that is much longer than it should be, most was idle.
      isBusy = elapsed < 2 &* Self.window && worked >= elapsed / 2
      windowBegan = ended
      worked = 0
    }
    guard isBusy, time >= Self.shortest, time < Self.longest, messages >= Self.leastShared &* writers else { return 0 }
    return Self.rest
  }
}
