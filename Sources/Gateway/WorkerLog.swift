import Reactor
import Synchronization

/// A worker's sentences on their way to the process's log. The control thread says them: it knows the level, and no worker meets
/// a standard error that takes nothing.
final class WorkerLog: Sendable {
  /// Sentences under way, when the control thread is busy with something long.
  static let limit = 256

  private let waiting = Atomic<Int>(0)
  private let lost = Atomic<Int>(0)

  /// Hands a sentence over, or counts it as lost when too many are under way. By the worker.
  func hand(over sentence: String, _ post: (String) -> Void) {
    guard waiting.load(ordering: .relaxed) < Self.limit else {
      lost.add(1, ordering: .relaxed)
      return
    }
    waiting.add(1, ordering: .relaxed)
    post(sentence)
  }

  /// A sentence has arrived. Returns how many were lost since the last did. By the control thread.
  func arrived() -> Int {
    waiting.subtract(1, ordering: .relaxed)
    return lost.exchange(0, ordering: .relaxed)
  }
}
