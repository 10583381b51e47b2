import Configuration
import Proxy
import TLS
import Tokens
import Upstream

extension InternalTokenRules {
  /// What a backend's internal tokens are like.
  ///
  /// - Parameter settings: those of the backend: `InternalTokenSettings.applying`.
  init(_ settings: InternalTokenSettings, for backend: Backend) {
    let isTransaction = settings.profile == .transaction
    self.init(issuer: settings.issuer, audience: isTransaction ? settings.trustDomain?.value ?? backend.name : backend.name)
    profile = isTransaction ? .transaction : .compact
    ttl = Int64(settings.ttl / 1000)
    claims = settings.claims.map { claim in
      switch claim.source {
      case .path(let path): ClaimRule(claim.name.value, .path(path))
      case .constant(let value): ClaimRule(claim.name.value, .constant(value))
      }
    }
    maximumBytes = settings.maximumBytes
    confirmation = backend.tls.thumbprintText
    workload = backend.tls.certificate?.workload ?? settings.issuer
  }
}

extension CertificateChain {
  /// Who shows it: its SPIFFE ID, or else its first DNS name.
  var workload: String? { uris.first { $0.hasPrefix("spiffe://") } ?? dnsNames.first }
}
