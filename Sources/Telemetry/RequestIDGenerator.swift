import Bytes

/// Makes request ids: UUID version 7 (RFC 9562 section 5.7), which sort by the time they were made. One a worker.
///
/// Within one worker each id is greater than the one before, in the same millisecond too (section 6.2, method 1: the 12 bits
/// of `rand_a` count on from a random start). Across workers 62 random bits keep them apart. An id is a name, not a
/// secret: the generator is fast, not unpredictable.
package struct RequestIDGenerator: Sendable {
  /// Bytes of an id's text.
  package static let length = 36

  private var random: RandomGenerator
  private var milliseconds: UInt64 = 0
  private var counter: UInt64 = 0

  package init(random: RandomGenerator = RandomGenerator()) { self.random = random }

  /// Writes the next id, `length` bytes in lower case.
  /// - Parameters:
  ///   - now: Unix milliseconds. When the clock runs back by less than ten seconds, the last time counts on.
  ///   - target: room for `length` bytes.
  package mutating func next(at now: Int64, to target: inout MutableSpan<UInt8>) {
    precondition(target.count >= Self.length)
    let time = UInt64(clamping: now) & 0xffff_ffff_ffff
    if time > milliseconds || milliseconds &- time > 10_000 {
      milliseconds = time
      // The top bit starts as 0, to leave at least 2,048 ids for the millisecond.
      counter = random.next() & 0x7ff
    } else {
      counter &+= 1
      if counter > 0xfff {
        milliseconds = (milliseconds &+ 1) & 0xffff_ffff_ffff
        counter = random.next() & 0x7ff
      }
    }
    let tail = random.next()
    // 8-4-4-4-12 digits: eight at a time, the middle ones in halves.
    let timeAndCounter = EightBytes.hexadecimal(UInt32(truncatingIfNeeded: milliseconds << 16 | 0x7000 | counter))
    let random = EightBytes.hexadecimal(0x8000_0000 | UInt32(truncatingIfNeeded: tail >> 34))
    Hexadecimal.write(UInt32(truncatingIfNeeded: milliseconds >> 16), to: &target, at: 0)
    target[8] = 0x2d
    target.store(UInt32(truncatingIfNeeded: timeAndCounter), at: 9)
    target[13] = 0x2d
    target.store(UInt32(truncatingIfNeeded: timeAndCounter >> 32), at: 14)
    target[18] = 0x2d
    target.store(UInt32(truncatingIfNeeded: random), at: 19)
    target[23] = 0x2d
    target.store(UInt32(truncatingIfNeeded: random >> 32), at: 24)
    Hexadecimal.write(UInt32(truncatingIfNeeded: tail), to: &target, at: 28)
  }
}
