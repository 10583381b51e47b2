import Bytes
import Logging
import Proxy
import Reactor
import Resolver
import Telemetry
import Tokens

/// The key sets that are fetched, all providers together. On the control thread.
///
/// Keys belong to their issuer and to the place that they come from. A set that is fetched from the same place with the same trust
/// goes on over a reload, also when the times between fetches change or the provider is renamed. A set of the same issuer that comes
/// from another place begins with the keys that were in force, until the new place has answered. Nothing passes from one issuer to
/// another, and two providers never share a set.
package final class RemoteKeySets {
  /// Whose keys they are.
  struct Owner: Hashable {
    let provider: String
    let issuer: String
  }

  private struct Claim {
    let keys: RemoteKeys
    let owner: Owner
    let source: RemoteKeySet.Source
    let before: Before?
  }

  /// What was in force when a set is claimed.
  private enum Before {
    /// Fetched from another place.
    case fetched(RemoteKeySet)
    /// Read from a file by the configuration before.
    case read(RemoteKeySet.Heritage)

    var heritage: RemoteKeySet.Heritage? {
      switch self {
      case .fetched(let set): set.heritage
      case .read(let heritage): heritage
      }
    }
  }

  private var sets: [ObjectIdentifier: RemoteKeySet] = [:]
  /// Key sets of the configuration in force that came from files.
  private var files: [Owner: RemoteKeySet.Heritage] = [:]
  private let buffers = BufferPool()
  private let registry: MetricsRegistry
  /// By the configuration that is being built.
  private var claims: [ObjectIdentifier: Claim] = [:]
  private var owners: Set<Owner> = []
  private var make: ((Claim) -> RemoteKeySet)?

  package init(registry: MetricsRegistry) { self.registry = registry }

  /// A configuration with these providers is about to be built; what one claimed that was refused is forgotten.
  func beginClaims(_ owners: [Owner]) {
    claims = [:]
    self.owners = Set(owners)
  }

  /// For a configuration that is being built: the set's place among those of the one before it, and the keys that it has.
  func claim(_ owner: Owner, _ source: RemoteKeySet.Source) throws(KeySetError) -> (RemoteKeys, KeySet?) {
    let own = candidates { $0 == owner }
    let orphaned = candidates { $0.issuer == owner.issuer && !owners.contains($0) }
    if let known = (own + orphaned).first(where: { $0.source.identity == source.identity }) {
      claims[ObjectIdentifier(known.keys)] = Claim(keys: known.keys, owner: owner, source: source, before: nil)
      return (known.keys, known.current)
    }
    let file = files[owner] ?? files.first { $0.key.issuer == owner.issuer && !owners.contains($0.key) }?.value
    let before: Before? =
      if let set = own.first { .fetched(set) } else if let file { .read(file) } else { orphaned.first.map { .fetched($0) } }
    let keys = RemoteKeys()
    claims[ObjectIdentifier(keys)] = Claim(keys: keys, owner: owner, source: source, before: before)
    return (keys, try before?.heritage.map { heritage throws(KeySetError) in try source.complete(heritage.published) })
  }

  /// Sets in force that no other provider of the configuration being built goes on with.
  private func candidates(_ fits: (Owner) -> Bool) -> [RemoteKeySet] {
    sets.values.filter { claims[ObjectIdentifier($0.keys)] == nil && fits($0.owner) }
  }

  /// Says how keys reach the workers.
  func start(
    loop: EventLoop, resolver: Resolver, say: @escaping (Logger.Level, String) -> Void, publish: @escaping (RemoteKeys, KeySet?) -> Void,
    settled: @escaping (RemoteKeys) -> Void
  ) {
    make = { [buffers, registry] claim in
      let keys = claim.keys
      return RemoteKeySet(
        keys, claim.owner, claim.source, heritage: claim.before?.heritage, loop: loop, resolver: resolver, buffers: buffers, registry: registry, say: say,
        publish: { publish(keys, $0) }, settled: { settled(keys) })
    }
  }

  /// The configuration is in force on every worker: its sets are fetched from here on, those of the one before no longer.
  func apply(_ built: BuiltSnapshot) {
    let inForce = Set(built.proxy.providers.compactMap { $0.remote.map { ObjectIdentifier($0) } })
    for id in inForce {
      guard let claim = claims[id] else { continue }
      if let set = sets[id] { set.adopt(claim.owner, claim.source) } else { startClaimed(id) }
    }
    for (id, set) in sets where !inForce.contains(id) {
      sets[id] = nil
      set.close()
    }
    claims = [:]
    files = [:]
    for provider in built.proxy.providers where provider.remote == nil {
      guard let published = provider.keySet?.published else { continue }
      let owner = Owner(provider: provider.name, issuer: String(decoding: provider.issuer, as: UTF8.self))
      files[owner] = RemoteKeySet.Heritage(published: published, goodAt: Clock.milliseconds)
    }
  }

  @discardableResult
  private func startClaimed(_ id: ObjectIdentifier) -> RemoteKeySet? {
    if let set = sets[id] { return set }
    guard let claim = claims[id], let set = make?(claim) else { return nil }
    sets[id] = set
    return set
  }

  /// True when `settled` will be called for these keys.
  func unknownKey(_ keys: RemoteKeys, _ hash: UInt64) -> Bool {
    // The first worker to have a new configuration may ask before the last one has it.
    startClaimed(ObjectIdentifier(keys))?.unknownKey(hash) ?? false
  }

  /// The providers whose set was never fetched, or is too old.
  var keyless: [String] { sets.values.filter { $0.current == nil }.map(\.owner.provider).sorted() }

  func close() {
    for set in sets.values { set.close() }
    sets = [:]
  }
}
