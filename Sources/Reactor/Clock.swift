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
