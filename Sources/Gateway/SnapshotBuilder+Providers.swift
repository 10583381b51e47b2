import Configuration
import TLS
import Telemetry
import Tokens

/// Identity providers: where their keys are, and the rules for their tokens.
extension SnapshotBuilder {
  func provider(_ settings: IdentityProviderSettings) -> IdentityProvider? {
    if let asked = settings.introspection { return introspectingProvider(settings, asked) }
    if let file = settings.apiKeyFile { return keyedProvider(settings, file) }
    let algorithms = settings.algorithms.compactMap { JOSEAlgorithm($0.value) }
    let secret = settings.secret.map { (bytes: $0.value, algorithms: algorithms) }
    var keySet: KeySet?
    var remote: RemoteKeys?
    do throws(KeySetError) {
      if let fetched = settings.remoteKeys {
        guard let source = remoteSource(fetched, metricName: fetched.provider, secret) else { return nil }
        let owner = RemoteKeySets.Owner(provider: fetched.provider, issuer: settings.issuer.value)
        (remote, keySet) = try remoteKeys?.claim(owner, source) ?? (nil, nil)
      }
      if let file = settings.jwksFile {
        keySet = try self.keySet(file)
        guard let keySet else { return nil }
        warnOfUnusable(settings.algorithms, keySet, file)
      }
      if let secret, remote == nil {
        keySet = try KeySet(published: keySet, secret: secret.bytes, algorithms: secret.algorithms)
      }
    } catch {
      let place = settings.jwksFile?.location ?? settings.name.location
      refuse(place, "\(settings.jwksFile?.value ?? "secret"): \(error.description)")
      return nil
    }
    return IdentityProvider(
      name: settings.name.value, issuer: settings.issuer.value, audiences: settings.audiences, algorithms: algorithms,
      leeway: Int64(settings.leeway / 1000), tokenTypes: settings.tokenTypes,
      requiredClaims: Self.requiredClaims(settings), conventions: Self.conventions(settings),
      maximumTokenBytes: settings.maximumTokenBytes, proof: Self.proof(settings.proof), keySet: keySet, remote: remote,
      logout: Self.logoutRules(settings))
  }

  /// An algorithm that no key of the file can be used with lets nobody in.
  private func warnOfUnusable(_ algorithms: [Located<String>], _ keySet: KeySet, _ file: Located<String>) {
    for name in algorithms {
      guard let algorithm = JOSEAlgorithm(name.value), algorithm.family != .hmac,
        !keySet.keys.contains(where: { $0.algorithms.contains(algorithm) })
      else { continue }
      warn(
        name.location,
        "no key in \(file.value) can be used with `\(name.value)`, so every such token is refused: leave it out, or add the key")
    }
  }

  /// Nil when the file cannot be read, which is reported.
  private func keySet(_ file: Located<String>) throws(KeySetError) -> KeySet? {
    if let known = loaded.keySets[file.value] { return known }
    guard let bytes = read(file, "the key set") else { return nil }
    let parsed = try KeySet.parse(bytes)
    for note in parsed.skipped { warn(file.location, "\(file.value): \(note); skipped") }
    loaded.keySets[file.value] = parsed
    return parsed
  }

  static func conventions(_ settings: IdentityProviderSettings) -> ClaimConventions {
    var conventions = ClaimConventions()
    conventions.audienceClaim = settings.audienceClaim.map { Array($0.utf8) }
    conventions.tokenUse = settings.tokenUse.map {
      $0.map { IdentityProvider.RequiredClaim(path: $0.claim, values: $0.values) }
    }
    conventions.maximumLife = Int64(settings.maximumTokenLife / 1000)
    conventions.scopeSeparator = settings.scopeSeparator
    conventions.roles = settings.rolesForm
    return conventions
  }

  static func proof(_ settings: ProofSettings) -> ProofRules {
    var rules = ProofRules()
    rules.certificate = settings.certificate == .required ? .required : .optional
    rules.dpop = settings.dpop.map { $0 == .required ? .required : .optional }
    rules.needsNonce = settings.needsNonce
    rules.lifetime = Int64(settings.lifetime / 1000)
    return rules
  }

  private func remoteSource(
    _ settings: RemoteKeysSettings, metricName: String, _ secret: (bytes: [UInt8], algorithms: [JOSEAlgorithm])?
  ) -> RemoteKeySet.Source? {
    var authorities: CertificateAuthorities?
    if let file = settings.ca {
      guard let read = self.authorities(file) else { return nil }
      authorities = read
    }
    let place: RemoteKeySet.Source.Place =
      switch settings.place {
      case .url(let url): .url(url)
      case .discovery(let issuer, let url): .discovery(issuer: issuer, url)
      }
    let trust = authorities?.fingerprint.map { String($0, radix: 16) }.joined(separator: ".") ?? "system"
    return RemoteKeySet.Source(
      place: place, authorities: authorities,
      identity: ["\(settings.place)", trust] + (secret.map { ["\($0.bytes)", "\($0.algorithms)"] } ?? []),
      bounds: KeySetRefresher.Bounds(
        refresh: UInt64(settings.refresh), cooldown: UInt64(settings.cooldown), maximumAge: UInt64(settings.maximumAge)),
      secret: secret, metricID: names.id(of: metricName, in: .provider))
  }
}
