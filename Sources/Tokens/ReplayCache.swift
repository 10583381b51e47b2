import Bytes
import Cryptography

/// What was seen a moment ago and must not be seen again: DPoP proofs, logout tokens. One for the process, since a replay may come
/// to another worker.
///
/// Two generations of hashes: what is new goes into the younger, and when that has lasted for a lifetime it becomes the older, whose
/// entries are forgotten. So an entry is kept for one lifetime at least and two at most, and nothing is ever searched for what is
/// over.
package final class ReplayCache: Sendable {
  private struct Key: Hashable {
    var high: UInt64
    var low: UInt64
  }

  private struct State {
    var young: Set<Key> = []
    var old: Set<Key> = []
    var turnsAt: Int64 = 0
    /// The longest lifetime of any entry so far: entries of several lifetimes share a generation.
    var lifetime: Int64 = 0
  }

  private let shards: [Locked<State>]
  private let maximum: Int
  private static let shardCount = 16

  package static let process = ReplayCache()

  /// - Parameter maximum: entries of one generation; beyond them nothing is accepted, since nothing could be remembered.
  package init(maximum: Int = 1 << 20) {
    shards = (0..<Self.shardCount).map { _ in Locked(State()) }
    self.maximum = max(1, maximum / Self.shardCount)
  }

  /// - Parameters:
  ///   - id: what makes it unique, of any length.
  ///   - now: seconds.
  ///   - lifetime: seconds that it would be accepted for. The longest that was ever given holds for all.
  /// - Returns: false when it was seen before, or there is no room to remember it.
  package func insert(_ id: [UInt8], now: Int64, lifetime: Int64) -> Bool {
    let (key, shard) = place(id)
    let maximum = self.maximum
    return shard.withLock { state in
      state.lifetime = max(state.lifetime, lifetime)
      if now >= state.turnsAt {
        // Longer than a lifetime ago: the younger ones are over as well.
        state.old = now >= state.turnsAt + state.lifetime ? [] : state.young
        state.young = []
        state.turnsAt = now + state.lifetime
      }
      guard state.young.count < maximum, !state.old.contains(key) else { return false }
      return state.young.insert(key).inserted
    }
  }

  /// Forgets what was inserted: what it stood for has failed and may be tried again.
  package func remove(_ id: [UInt8]) {
    let (key, shard) = place(id)
    shard.withLock { state in
      state.young.remove(key)
      state.old.remove(key)
    }
  }

  private func place(_ id: [UInt8]) -> (key: Key, shard: Locked<State>) {
    let digest = Digest.sha256(id)
    let key = Key(high: digest.span.word(at: 0), low: digest.span.word(at: 8))
    return (key, shards[Int(digest[16]) % Self.shardCount])
  }
}
