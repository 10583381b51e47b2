import Synchronization

/// A number that one thread changes and any thread reads: a plain load and a plain store, no locked instruction.
///
/// Relaxed: a reader sees some recent value of each counter, and two counters need not be of the same moment.
struct Counter: ~Copyable, Sendable {
  private let value = Atomic<UInt64>(0)

  init() {}

  /// By the one writer only.
  @inline(__always)
  borrowing func add(_ amount: UInt64) {
    value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  /// By the one writer only.
  @inline(__always)
  borrowing func set(_ new: UInt64) { value.store(new, ordering: .relaxed) }

  @inline(__always)
  borrowing func read() -> UInt64 { value.load(ordering: .relaxed) }
}
