import Bytes
import Cryptography
import Limits
import Synchronization

/// What was seen a moment ago and must not be seen again: DPoP proofs, logout tokens. One for the process, since a replay may come
/// to another worker.
///
/// Two generations of hashes: what is new goes into the younger, and when that has lasted for a lifetime it becomes the older, whose
/// entries are forgotten. So an entry is kept for one lifetime at least and two at most, and nothing is ever searched for what is
/// over.
///
/// What cannot be remembered is refused, so nobody may fill it: each owner, a client's key or a provider, has its share of a generation,
/// and so have all owners of one group together, the keys of a subject: who has tokens for a million keys is still one who has them.
package final class ReplayCache: Sendable {
  package enum Verdict: Equatable, Sendable {
    case accepted
    case seen
    /// The owner has as many as it may: nothing could be remembered.
    case full
  }

  private struct Key: Hashable {
    var high: UInt64
    var low: UInt64

    init(_ bytes: [UInt8]) { self.init(digest: Digest.sha256(bytes)) }

    init(digest: [UInt8]) {
      high = digest.span.word(at: 0)
      low = digest.span.word(at: 8)
    }
  }

  private struct State {
    var young: Set<Key> = []
    var old: Set<Key> = []
    /// Who has how many of the young ones: owners, and groups of them.
    var shares: FairPlaces<Key>
    var groups: FairPlaces<Key>
    var turnsAt: Int64 = 0
    /// The longest lifetime of any entry so far: entries of several lifetimes share a generation.
    var lifetime: Int64 = 0
    /// Entries of a generation.
    var maximum: Int

    init(_ maximum: Int) {
      self.maximum = maximum
      shares = FairPlaces(of: maximum)
      groups = FairPlaces(of: maximum)
    }

    func grants(_ owner: Key, _ group: Key) -> Bool {
      shares.grants(to: owner) && groups.grants(to: group, times: ReplayCache.groupTimes)
    }
  }

  private let shards: [Locked<State>]
  /// For each shard.
  private let maximum: Atomic<Int>
  private static let shardCount = 16
  /// A group may have three times as much as is free: three quarters of what owners share, where one owner has half.
  private static let groupTimes = 3

  package static let process = ReplayCache()
  package static let defaultMaximum = 1 << 20

  /// - Parameter maximum: entries of one generation; one owner may have two fifths of them, one group three.
  package init(maximum: Int = ReplayCache.defaultMaximum) {
    let each = Self.each(maximum)
    shards = (0..<Self.shardCount).map { _ in Locked(State(each)) }
    self.maximum = Atomic(each)
  }

  /// Another bound: for what comes from now on, whatever is there.
  package func resize(maximum: Int) { self.maximum.store(Self.each(maximum), ordering: .relaxed) }

  private static func each(_ maximum: Int) -> Int { max(1, maximum / shardCount) }

  /// - Parameters:
  ///   - id: what makes it unique among the owner's, of any length.
  ///   - owner: whose share it takes.
  ///   - group: those whom the owner belongs to, whose share it takes as well; nil for an owner who stands alone.
  ///   - now: seconds.
  ///   - lifetime: seconds that it would be accepted for. The longest that was ever given holds for all.
  package func insert(_ id: [UInt8], of owner: [UInt8], in group: [UInt8]? = nil, now: Int64, lifetime: Int64) -> Verdict {
    let (key, shard) = place(id, owner)
    let holder = Key(owner)
    let group = group.map { Key($0) } ?? holder
    let maximum = maximum.load(ordering: .relaxed)
    return shard.withLock { state in
      state.lifetime = max(state.lifetime, lifetime)
      if now >= state.turnsAt {
        // Longer than a lifetime ago: the younger ones are over as well.
        state.old = now >= state.turnsAt + state.lifetime ? [] : state.young
        state.young = []
        state.shares = FairPlaces(of: maximum)
        state.groups = FairPlaces(of: maximum)
        state.turnsAt = now + state.lifetime
      }
      guard !state.old.contains(key), !state.young.contains(key) else { return .seen }
      if state.maximum != maximum {
        state.maximum = maximum
        state.shares.resize(of: maximum)
        state.groups.resize(of: maximum)
      }
      guard state.young.count < maximum, state.grants(holder, group) else { return .full }
      state.shares.take(for: holder)
      state.groups.take(for: group)
      state.young.insert(key)
      return .accepted
    }
  }

  /// Forgets what was inserted: what it stood for has failed and may be tried again.
  package func remove(_ id: [UInt8], of owner: [UInt8], in group: [UInt8]? = nil) {
    let (key, shard) = place(id, owner)
    shard.withLock { state in
      if state.young.remove(key) != nil {
        state.shares.give(from: Key(owner))
        state.groups.give(from: Key(group ?? owner))
      }
      state.old.remove(key)
    }
  }

  /// One owner's entries are in all shards, and an owner's name says where its own ends.
  private func place(_ id: [UInt8], _ owner: [UInt8]) -> (key: Key, shard: Locked<State>) {
    let digest = Digest.sha256(Digest.sha256(owner) + id)
    return (Key(digest: digest), shards[Int(digest[16]) % Self.shardCount])
  }
}
