import Configuration
import Proxy

/// Routes: what each needs at hand when a request comes.
extension SnapshotBuilder {
  func routes(_ configuration: GatewayConfiguration) -> [Route] {
    var shared = SharedRouteParts(configuration)
    return configuration.routes.enumerated().map { index, settings in
      Route(
        name: settings.name.value, index: index, metricID: names.id(of: settings.name.value, in: .route),
        access: shared.access(settings), backends: shared.backends(settings),
        stripPrefix: Array((settings.stripPrefix ?? "").utf8), timeout: settings.timeout ?? 0,
        bodyMaximum: settings.bodyMaximum ?? .max, bodyGather: settings.bodyGather,
        bodyRate: settings.bodyRate.map { UInt64($0) }, bodyTotal: settings.bodyTotal.map { UInt64($0) },
        forwardsAccessToken: settings.forwardAccessToken,
        forwardedFields: forwardedFields(settings, configuration).map { Array($0.lowercased().utf8) },
        endsAtExpiry: settings.endAtExpiry, path: settings.match.path)
    }
  }

  /// What the route names, and where an access token stands that it forwards.
  private func forwardedFields(_ settings: RouteSettings, _ configuration: GatewayConfiguration) -> [String] {
    guard settings.forwardAccessToken else { return settings.forward }
    return settings.forward
      + settings.providers.flatMap { configuration.identityProviders[$0].tokenFrom }.compactMap {
        if case .header(let name, _) = $0 { name } else { nil }
      }
  }
}
