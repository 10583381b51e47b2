import Bytes
import Limits
import Proxy
import Reactor
import Resolver
import Telemetry
import Tokens

/// The introspection endpoints that are asked, all providers together. On the control thread.
///
/// Answers belong to a server and to the client that the gateway is there: a configuration that has the same two goes on with what is
/// known, also when it asks more or less often, believes answers for longer or shorter, or has another name for the provider.
package final class RemoteIntrospections {
  private struct Claim {
    let remote: RemoteIntrospection
    let source: IntrospectionClient.Source
    /// The same under the name that it had before.
    let renamed: IntrospectionClient?
  }

  private var clients: [[String]: IntrospectionClient] = [:]
  private let buffers = BufferPool()
  private let registry: MetricsRegistry
  /// By the configuration that is being built.
  private var claims: [[String]: Claim] = [:]
  /// The names of all its providers.
  private var providers: Set<String> = []
  private var make: ((Claim) -> IntrospectionClient)?

  package init(registry: MetricsRegistry) { self.registry = registry }

  /// For a configuration that is being built: the endpoint's place among those of the one before it.
  func claim(_ remote: RemoteIntrospection, _ source: IntrospectionClient.Source) -> RemoteIntrospection {
    var known = clients[remote.identity]
    var renamed: IntrospectionClient?
    if known == nil {
      renamed = clients.values.first { client in
        !providers.contains(client.remote.name) && client.remote.identity.dropFirst() == remote.identity.dropFirst()
          && !claims.values.contains { $0.renamed === client }
      }
    }
    // Workers tell by the object whom they have asked.
    if let same = known?.remote, !same.isLike(remote) { known = nil }
    let remote = known?.remote ?? remote
    claims[remote.identity] = Claim(remote: remote, source: source, renamed: renamed)
    return remote
  }

  /// A configuration with these providers is about to be built; what one claimed that was refused is forgotten.
  func beginClaims(_ providers: [String]) {
    claims = [:]
    self.providers = Set(providers)
  }

  /// Says how answers reach the workers, before any of them asks.
  func start(
    loop: EventLoop, resolver: Resolver, say: @escaping (String) -> Void,
    settled: @escaping (RemoteIntrospection, _ digest: [UInt8], IntrospectionAnswer, _ workers: Set<Int>) -> Void
  ) {
    make = { [buffers, registry] claim in
      IntrospectionClient(
        claim.remote, claim.source, loop: loop, resolver: resolver, buffers: buffers, registry: registry, say: say, settled: settled)
    }
  }

  /// The configuration is in force on every worker: endpoints of the one before are no longer asked.
  func apply(_ built: BuiltSnapshot) {
    let inForce = Set(built.proxy.providers.compactMap { $0.introspection?.identity })
    for identity in inForce {
      guard let claim = claims[identity] else { continue }
      if let client = claim.renamed {
        clients[client.remote.identity] = nil
        clients[identity] = client
      }
      client(for: identity)?.adopt(claim.remote, claim.source)
    }
    for (identity, client) in clients where !inForce.contains(identity) {
      clients[identity] = nil
      client.close()
    }
    claims = [:]
  }

  /// The first worker to have a new configuration may ask before the last one has it.
  private func client(for identity: [String]) -> IntrospectionClient? {
    if let client = clients[identity] { return client }
    guard let claim = claims[identity] else { return nil }
    if let renamed = claim.renamed { return renamed }
    let client = make?(claim)
    clients[identity] = client
    return client
  }

  /// False when nobody can be asked: `settled` will not follow.
  func ask(
    _ worker: Int, _ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8], for address: ClientAddress
  ) -> Bool {
    guard let client = client(for: remote.identity) else { return false }
    client.ask(worker, remote, digest, token, for: address)
    return true
  }

  func close() {
    for client in clients.values { client.close() }
    clients = [:]
  }
}
