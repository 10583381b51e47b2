import Configuration
import Foundation
import JSON
import TLS
import Telemetry
import Tokens

/// Identity providers whose tokens say nothing by themselves: those that are asked, and those of API keys.
extension SnapshotBuilder {
  func introspectingProvider(_ settings: IdentityProviderSettings, _ asked: IntrospectionSettings) -> IdentityProvider? {
    let (roots, certificate) = (asked.ca.flatMap { authorities($0) }, asked.certificate.flatMap { chain($0) })
    guard (roots != nil) == (asked.ca != nil), (certificate != nil) == (asked.certificate != nil) else { return nil }
    let tls: ClientTLSContext
    do throws(TLSConfigurationError) {
      tls = try ClientTLSContext(authorities: roots, host: asked.url.host, certificate: certificate)
    } catch {
      refuse(settings.name.location, error.message)
      return nil
    }
    let name = settings.name.value
    let hexadecimal = { (bytes: [UInt8]) in bytes.map { String($0, radix: 16) }.joined(separator: ".") }
    let remote = RemoteIntrospection(
      name: name,
      identity: [
        name, asked.url.text, asked.clientID, asked.secret ?? "", roots.map { hexadecimal($0.fingerprint) } ?? "system",
        certificate.map { hexadecimal($0.thumbprint) } ?? "",
      ], lifetime: Int64(asked.cache / 1000), inactiveLifetime: Int64(asked.inactiveCache / 1000),
      patience: UInt64(asked.timeout) + 500)
    let source = IntrospectionClient.Source(
      url: asked.url, tls: tls, clientID: asked.clientID, credentials: asked.secret.map { .secret($0) } ?? .certificate,
      bounds: IntrospectionGate.Bounds(
        lifetime: UInt64(asked.cache), inactiveLifetime: UInt64(asked.inactiveCache), concurrency: asked.concurrency,
        rate: asked.rate.count, period: UInt64(asked.rate.period)),
      timeout: asked.timeout, metricID: names.id(of: name, in: .provider))
    return IdentityProvider(
      name: name, issuer: settings.issuer.value, audiences: settings.audiences, algorithms: [],
      leeway: Int64(settings.leeway / 1000),
      tokenTypes: [], requiredClaims: Self.requiredClaims(settings), conventions: Self.conventions(settings), maximumTokenBytes: settings.maximumTokenBytes,
      proof: Self.proof(settings.proof), keySet: nil, introspection: introspections?.claim(remote, source) ?? remote)
  }

  func keyedProvider(_ settings: IdentityProviderSettings, _ file: Located<String>) -> IdentityProvider? {
    guard let bytes = read(file, "the file of API keys") else { return nil }
    let keys: [APIKeySettings]
    switch APIKeyFile.decode(ConfigurationSource(name: file.value, bytes: bytes)) {
    case .rejected(let found):
      for diagnostic in found { refuse(diagnostic.location, diagnostic.message) }
      return nil
    case .decoded(let decoded): keys = decoded
    }
    let issuer = Array(settings.issuer.value.utf8)
    let now = Int64(Date().timeIntervalSince1970)
    for key in keys where key.expiresAt.map({ $0 <= now }) == true {
      warn(key.location, "the API key \(key.id) has expired: remove it, or give its owner a new one")
    }
    let set = APIKeySet(
      keys.map {
        APIKey(
          id: Array($0.id.utf8), salt: $0.salt, hash: $0.hash, issuer: issuer, subject: Array($0.subject.utf8), claims: $0.claims,
          expiresAt: $0.expiresAt)
      })
    return IdentityProvider(
      name: settings.name.value, issuer: settings.issuer.value, audiences: [], algorithms: [], leeway: 0, tokenTypes: [],
      requiredClaims: Self.requiredClaims(settings), conventions: Self.conventions(settings), keySet: nil, apiKeys: set)
  }

  static func requiredClaims(_ settings: IdentityProviderSettings) -> [IdentityProvider.RequiredClaim] {
    settings.requiredClaims.map { IdentityProvider.RequiredClaim(path: $0.claim, values: $0.values) }
  }
}
