import Configuration
import HTTP1
import Reactor
import TLS
import Upstream

/// Backends and their endpoints.
extension SnapshotBuilder {
  func backend(_ settings: BackendSettings, index: Int) -> Backend? {
    let (chain, authorities) = (chain(settings.tls.certificate), authorities(settings.tls.ca))
    guard let chain, let authorities else { return nil }
    let identities = settings.tls.identities.map(\.value)
    let protocols: Backend.Protocols
    let offered: [ApplicationProtocol]
    switch settings.protocols {
    case .automatic: (protocols, offered) = (.automatic, [.h2, .http1_1])
    case .http1: (protocols, offered) = (.http1, [.http1_1])
    case .http2: (protocols, offered) = (.http2, [.h2])
    }
    guard let tls = clientContext(settings, chain, authorities, identities, offered) else { return nil }
    let addresses = settings.endpoints.map { endpoint($0, of: settings.name.value) }
    let trust = [
      settings.name.value, settings.tls.serverName?.value ?? "", identities.joined(separator: ","),
      addresses.map(\.name).joined(separator: ","), "\(protocols)", "\(settings.limits.headerBytes) \(settings.limits.headerCount)",
    ].joined(separator: "\n")
    return Backend(
      name: settings.name.value, index: index, metricID: names.id(of: settings.name.value, in: .backend), endpoints: addresses,
      tls: tls, balance: settings.balance == .roundRobin ? .roundRobin : .leastRequests, protocols: protocols,
      connectTimeout: settings.timeouts.connect, responseTimeout: settings.timeouts.response, idleTimeout: settings.timeouts.idle,
      tunnelTimeout: settings.timeouts.tunnel, connectionLimit: settings.limits.connections,
      pendingLimit: settings.limits.pending, workers: workers, clientShare: settings.limits.clientShare,
      poolKey: Array(trust.utf8) + [0] + authorities.fingerprint + chain.thumbprint,
      headLimits: HeadLimits(headerBytes: settings.limits.headerBytes, headerCount: settings.limits.headerCount, uriBytes: 0))
  }

  /// Backends that are spoken to alike share a context.
  private func clientContext(
    _ settings: BackendSettings, _ chain: CertificateChain, _ authorities: CertificateAuthorities, _ identities: [String],
    _ offered: [ApplicationProtocol]
  ) -> ClientTLSContext? {
    let tls = settings.tls
    let key =
      [tls.ca.value, tls.certificate.certificate.value, tls.certificate.key.value, tls.serverName?.value ?? "", "\(offered)"] + identities
    if let known = loaded.clientContexts[key] { return known }
    do throws(TLSConfigurationError) {
      let made = try ClientTLSContext(
        certificate: chain, authorities: authorities, serverName: tls.serverName?.value, identities: identities, protocols: offered)
      loaded.clientContexts[key] = made
      return made
    } catch {
      refuse(settings.name.location, error.message)
      return nil
    }
  }

  private func endpoint(_ address: Located<SocketAddressSettings>, of backend: String) -> Endpoint {
    let name = address.value.text
    let key = "\(backend)\n\(name)"
    if let known = endpoints[key] { return known }
    let made: Endpoint
    let metricID = names.id(of: name, in: .endpoint)
    switch address.value {
    case .tcp(let host, let port):
      let addresses = addresses(host, port)
      if addresses.isEmpty { warn(address.location, "\(host) does not resolve; trying again in the background") }
      made = Endpoint(name: name, host: host, port: port, metricID: metricID, addresses: addresses)
    case .unix(let path):
      let socket = try? SocketAddress(unixPath: path)
      made = Endpoint(name: name, host: "", port: 0, metricID: metricID, addresses: socket.map { [$0] } ?? [])
    }
    endpoints[key] = made
    return made
  }
}
