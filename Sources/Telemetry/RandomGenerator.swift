/// xoshiro256++ (Blackman and Vigna): random numbers for ids and sampling, a few instructions each.
///
/// Not for secrets: who sees some of its output can work out the rest. One a worker, so no lock.
package struct RandomGenerator: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  /// Seeded from the kernel.
  package init() {
    var system = SystemRandomNumberGenerator()
    // An all-zero state would stay all zero.
    state = (system.next(), system.next(), system.next(), system.next() | 1)
  }

  /// For tests: the same sequence each time. The seed must not be all zero.
  package init(seed: (UInt64, UInt64, UInt64, UInt64)) { state = seed }

  package mutating func next() -> UInt64 {
    let sum = state.0 &+ state.3
    let result = (sum << 23 | sum >> 41) &+ state.0
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = state.3 << 45 | state.3 >> 19
    return result
  }
}
