import CLinux

/// Time as the loop uses it: monotonic for deadlines and durations, real for tokens and logs.
package enum Clock {
  /// Nanoseconds of `CLOCK_MONOTONIC`.
  package static func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// Milliseconds of the same clock, as loops count them.
  package static var milliseconds: UInt64 { monotonicNanoseconds() / 1_000_000 }

  /// Nanoseconds since 1970 (UTC), leap seconds left out.
  package static func realNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}

/// Hands of a clock that somebody moves, in place of the system's clocks: a loop that goes by them lives through hours in no time, and
/// the same way each time.
package final class ClockHands {
  /// Nanoseconds of the monotonic clock.
  package var monotonic: UInt64
  /// What the time since 1970 is ahead of that.
  package let realAhead: UInt64

  /// - Parameters:
  ///   - monotonic: nanoseconds to begin with.
  ///   - real: nanoseconds since 1970 at that moment.
  package init(monotonic: UInt64, real: UInt64) {
    self.monotonic = monotonic
    realAhead = real &- monotonic
  }
}
