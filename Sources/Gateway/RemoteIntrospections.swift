import Bytes
import Proxy
import Reactor
import Telemetry
import Tokens

/// The introspection endpoints that are asked, all providers together. On the control thread.
///
/// Answers belong to a configuration: one that asks the same server in the same way goes on over a reload with what it knows.
package final class RemoteIntrospections {
  private var clients: [[String]: IntrospectionClient] = [:]
  private let buffers = BufferPool()
  private let registry: MetricsRegistry
  /// Wanted by the configuration that is being built.
  private var wanted: [[String]: (remote: RemoteIntrospection, source: IntrospectionClient.Source)] = [:]
  private var make: ((RemoteIntrospection, IntrospectionClient.Source) -> IntrospectionClient)?

  package init(registry: MetricsRegistry) { self.registry = registry }

  /// For a configuration that is being built: the endpoint's place among those of the one before it.
  func claim(_ remote: RemoteIntrospection, _ source: IntrospectionClient.Source) -> RemoteIntrospection {
    if let known = clients[remote.identity]?.remote ?? wanted[remote.identity]?.remote { return known }
    wanted[remote.identity] = (remote, source)
    return remote
  }

  /// A configuration is about to be built; what one claimed that was refused is forgotten. A worker may ask for it before `apply`.
  func beginClaims() { wanted = [:] }

  /// Says how answers reach the workers, before any of them asks.
  func start(
    loop: EventLoop, say: @escaping (String) -> Void,
    settled: @escaping (RemoteIntrospection, _ digest: [UInt8], IntrospectionAnswer, _ workers: Set<Int>) -> Void
  ) {
    make = { [buffers, registry] remote, source in
      IntrospectionClient(
        remote, source, loop: loop, buffers: buffers, registry: registry, say: { say("identity provider \(remote.name): \($0)") },
        settled: { settled(remote, $0, $1, $2) })
    }
  }

  /// The configuration is in force on every worker: endpoints of the one before are no longer asked.
  func apply(_ built: BuiltSnapshot) {
    let inForce = Set(built.proxy.providers.compactMap { $0.introspection?.identity })
    for identity in inForce { startClaimed(identity) }
    for (identity, client) in clients where !inForce.contains(identity) {
      clients[identity] = nil
      client.close()
    }
    wanted = [:]
  }

  @discardableResult
  private func startClaimed(_ identity: [String]) -> IntrospectionClient? {
    if let client = clients[identity] { return client }
    guard let claim = wanted[identity], let client = make?(claim.remote, claim.source) else { return nil }
    clients[identity] = client
    return client
  }

  /// False when nobody can be asked: `settled` will not follow.
  func ask(_ worker: Int, _ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8]) -> Bool {
    // The first worker to have a new configuration may ask before the last one has it.
    guard let client = startClaimed(remote.identity), client.remote === remote else { return false }
    client.ask(worker, digest, token)
    return true
  }

  func close() {
    for client in clients.values { client.close() }
    clients = [:]
  }
}
