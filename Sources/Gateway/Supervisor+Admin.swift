import CLinux
import Configuration
import Reactor
import Telemetry

/// The admin listener and what it answers.
extension Supervisor {
  func openAdmin(_ built: BuiltSnapshot) throws(ListenFailure) {
    guard let settings = built.configuration.admin else { return }
    do throws(Errno) {
      guard let address = settings.address.value.address(names.addresses(of:)) else { throw Errno(EADDRNOTAVAIL) }
      let descriptor = try Listener.open(address, reusePort: false)
      let listener = AdminListener(loop: loop, descriptor: descriptor) { [weak self] in
        self?.answerAdmin($0, $1) ?? AdminResponse(503, "stopping\n")
      }
      try listener.register(.read)
      adminListener = listener
    } catch {
      throw ListenFailure(Diagnostic(settings.address.location, "cannot listen on \(settings.address.value.text): \(error)"))
    }
  }

  func answerAdmin(_ path: String, _ authority: [UInt8]) -> AdminResponse {
    guard AdminHosts(current.configuration.admin).admit(authority.span) else {
      return AdminResponse(
        403, "this is none of the names under which the admin listener answers; there is admin.hosts for others\n")
    }
    switch path {
    case "/healthz": return AdminResponse(200, "ok\n")
    case "/readyz":
      guard notReady.isEmpty else { return AdminResponse(503, "starting\n") }
      status.keyless = remoteKeys.keyless
      if let reason = status.unreadiness ?? revocation.unreadiness { return AdminResponse(503, reason + "\n") }
      return AdminResponse(200, "ready\n")
    case "/metrics":
      registry.setRevocationFeeds(revocation.samples)
      return AdminResponse(200, MetricsRegistry.contentType, registry.render())
    case "/config":
      status.signingKeys = signing?.rows(at: SnapshotBuilder.now) ?? []
      return AdminResponse(200, "application/json", status.json)
    case "/.well-known/jwks.json":
      return AdminResponse(200, "application/jwk-set+json", internalTokens.publishedKeys)
    default:
      return AdminResponse(404, "not found; there are /healthz /readyz /metrics /config /.well-known/jwks.json\n")
    }
  }
}
