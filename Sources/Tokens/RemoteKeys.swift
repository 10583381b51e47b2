import Synchronization

/// What workers know of a key set that is fetched: whether asking for it again can help. Shared by all threads.
package final class RemoteKeys: Sendable {
  private let allowedAt = Atomic<UInt64>(0)
  private let isFetching = Atomic<Bool>(false)

  package init() {}

  /// Whether a request whose token names an unknown key should ask, and wait: a fetch is under way, or one may begin.
  ///
  /// - Parameter now: milliseconds of the monotonic clock.
  package func mayHelp(now: UInt64) -> Bool {
    isFetching.load(ordering: .relaxed) || now >= allowedAt.load(ordering: .relaxed)
  }

  /// By the control thread.
  package func update(isFetching: Bool, allowedAt: UInt64) {
    self.allowedAt.store(allowedAt, ordering: .relaxed)
    self.isFetching.store(isFetching, ordering: .relaxed)
  }
}
