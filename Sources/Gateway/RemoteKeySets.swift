import Bytes
import Proxy
import Reactor
import Telemetry
import Tokens

/// The key sets that are fetched, all providers together. On the control thread.
///
/// A set belongs to its configuration: one that fetches the same from the same place with the same trust goes on over a reload,
/// and two providers never share one.
package final class RemoteKeySets {
  private var sets: [[String]: RemoteKeySet] = [:]
  private let buffers = BufferPool()
  private let registry: MetricsRegistry
  /// Wanted by the configuration that is being built.
  private var wanted: [[String]: (keys: RemoteKeys, source: RemoteKeySet.Source)] = [:]

  package init(registry: MetricsRegistry) { self.registry = registry }

  /// For a configuration that is being built: the set's place among those of the one before it, and the keys that it has.
  func claim(_ name: String, _ identity: [String], _ source: RemoteKeySet.Source) -> (RemoteKeys, KeySet?) {
    if let known = sets[identity] {
      wanted[identity] = (known.keys, source)
      return (known.keys, known.current)
    }
    // Built a second time before anything was started.
    if let claimed = wanted[identity] { return (claimed.keys, nil) }
    let keys = RemoteKeys(name: name, identity: identity)
    wanted[identity] = (keys, source)
    return (keys, nil)
  }

  /// A configuration is about to be built.
  func beginClaims() { wanted = wanted.filter { sets[$0.key] == nil } }

  /// The configuration is in force: its sets are fetched from here on, those of the one before no longer.
  func apply(
    _ built: BuiltSnapshot, loop: EventLoop, say: @escaping (String) -> Void, publish: @escaping (RemoteKeys, KeySet?) -> Void,
    settled: @escaping (RemoteKeys) -> Void
  ) {
    let inForce = Set(built.proxy.providers.compactMap { $0.remote?.identity })
    for (identity, set) in sets where !inForce.contains(identity) {
      set.close()
      sets[identity] = nil
    }
    for (identity, claim) in wanted where inForce.contains(identity) && sets[identity] == nil {
      let keys = claim.keys
      sets[identity] = RemoteKeySet(
        keys, claim.source, loop: loop, buffers: buffers, registry: registry, say: { say("identity provider \(keys.name): \($0)") },
        publish: { publish(keys, $0) }, settled: { settled(keys) })
    }
    wanted = [:]
  }

  /// True when `settled` will be called for these keys.
  func unknownKey(_ keys: RemoteKeys, _ hash: UInt64) -> Bool { sets[keys.identity]?.unknownKey(hash) ?? false }

  /// Whether every set was fetched at least once, and is not too old.
  var areAvailable: Bool { sets.values.allSatisfy { $0.current != nil } }

  func close() {
    for set in sets.values { set.close() }
    sets = [:]
  }
}
