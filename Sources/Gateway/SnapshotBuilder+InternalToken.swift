import Configuration
import Foundation
import Proxy
import Tokens
import Upstream

/// The internal token: who mints it, with which keys, and when which of them signs.
extension SnapshotBuilder {
  /// Signing keys that load and verify, with their times.
  struct LoadedKeys {
    var keys: [SigningKey] = []
    var times: [KeySchedule.Key] = []
    var identities: [KeyHistory.Identity] = []
    /// By somebody else's word than this process's.
    var publishedSince: [Int64?] = []
    var locations: [SourceLocation] = []
    var source: SigningPlan.Source?
  }

  /// Seconds since 1970.
  static var now: Int64 { Int64(Date().timeIntervalSince1970) }

  /// Nil after a refusal, and without `internal_token`.
  func signingKeys(_ configuration: GatewayConfiguration) -> LoadedKeys? {
    guard let settings = configuration.internalToken else { return nil }
    let loaded = settings.keyDirectory.map { fromDirectory($0, configuration) } ?? fromList(settings, configuration)
    guard var loaded else { return nil }
    loaded.identities = loaded.keys.map { KeyHistory.Identity(kid: $0.kid, thumbprint: $0.thumbprint) }
    do throws(KeySetError) {
      // Two implementations must accept what each key signs, against what is published, or the key signs nothing.
      let set = try SigningKeySet(loaded.keys)
      try KeyCrossCheck.run(set, published: PublishedKeySet(set))
      return loaded
    } catch {
      refuse(settings.location, "internal_token: \(error.description)")
      return nil
    }
  }

  private func fromList(_ settings: InternalTokenSettings, _ configuration: GatewayConfiguration) -> LoadedKeys? {
    var loaded = LoadedKeys()
    for row in settings.signingKeys {
      guard let pem = read(row.key, "the signing key") else { continue }
      guard let algorithm = JOSEAlgorithm(row.algorithm.value) else { continue }
      do throws(KeySetError) {
        loaded.keys.append(try SigningKey(kid: row.kid.value, algorithm: algorithm, pem: pem))
      } catch {
        refuse(row.key.location, "\(row.key.value): \(error.description)")
      }
      loaded.times.append(
        KeySchedule.Key(
          kid: row.kid.value, algorithm: algorithm, signsFrom: row.state == .active ? .min : row.activateAt,
          tokenLife: configuration.tokenLife, isRetired: row.state == .retired))
      loaded.publishedSince.append(row.publishedSince)
      loaded.locations.append(row.kid.location)
    }
    return loaded.keys.count == settings.signingKeys.count ? loaded : nil
  }

  private func fromDirectory(_ path: Located<String>, _ configuration: GatewayConfiguration) -> LoadedKeys? {
    let directory = KeyDirectory(path: path.value)
    let publishAhead = Int64(configuration.internalToken?.publishAhead ?? 0) / 1000
    let now = Self.now
    var loaded = LoadedKeys()
    do throws(KeySetError) {
      let (manifest, stamp) = try directory.load()
      let schedule = manifest.schedule(tokenLife: configuration.tokenLife, uses: configuration.keyUses)
      var unrecorded: Set<String> = []
      for (index, entry) in manifest.entries.enumerated() {
        if case .gone = schedule.phase(of: index, at: now) { continue }
        let key = try SigningKey(kid: entry.kid, algorithm: entry.algorithm, pem: try directory.pem(entry))
        var times = schedule.keys[index]
        // What others published long ago may be new here, and whoever asked us for the key set must have it first.
        let identity = KeyHistory.Identity(kid: key.kid, thumbprint: key.thumbprint)
        if let from = times.signsFrom, let own = history.earliestSignature(identity, publishAhead: publishAhead, now: now) {
          times.signsFrom = max(from, own)
        }
        loaded.keys.append(key)
        loaded.times.append(times)
        loaded.publishedSince.append(entry.publishedAt)
        loaded.locations.append(path.location)
        if entry.publishedAt == nil || entry.signsFrom == nil || entry.tokenLife < configuration.tokenLife {
          unrecorded.insert(entry.kid)
        }
      }
      guard !loaded.keys.isEmpty else { throw KeySetError("the manifest has no key: `gatehouse keys rotate` makes the first") }
      loaded.source = SigningPlan.Source(directory: directory, stamp: stamp, unrecorded: unrecorded)
      return loaded
    } catch {
      refuse(path.location, error.description)
      return nil
    }
  }

  /// Keys and backends put together. Refused when a backend could meet a token whose key it cannot know, after what was in force
  /// until now.
  func signingPlan(_ loaded: LoadedKeys, _ configuration: GatewayConfiguration, _ backends: [Backend]) -> SigningPlan? {
    guard let shared = configuration.internalToken, backends.count == configuration.backends.count else { return nil }
    let schedule = KeySchedule(keys: loaded.times, uses: configuration.keyUses)
    let publishAhead = Int64(shared.publishAhead) / 1000
    let objections = history.objections(
      to: schedule, loaded.identities, publishAhead: publishAhead, publishedSince: loaded.publishedSince, now: Self.now)
    for objection in objections { refuse(objection, loaded, shared) }
    let settings = configuration.backends.map { shared.applying($0.internalToken) }
    let rules = zip(settings, backends).map { settings, backend in
      (rules: InternalTokenRules(settings, for: backend), use: settings.algorithm.flatMap { JOSEAlgorithm($0.value) })
    }
    do throws(KeySetError) {
      return SigningPlan(
        keys: try SigningKeySet(loaded.keys), schedule: schedule, identities: loaded.identities, rules: rules,
        publishAhead: publishAhead, tokenLife: configuration.tokenLife, source: loaded.source)
    } catch {
      refuse(shared.location, "internal_token: \(error.description)")
      return nil
    }
  }

  private func refuse(_ objection: KeyHistory.Objection, _ loaded: LoadedKeys, _ settings: InternalTokenSettings) {
    switch objection {
    case .removedTooSoon(let kid, let until):
      refuse(
        settings.location,
        "the signing key `\(kid)` is gone, but tokens that it signed may be alive until \(UTCTime.text(until)): "
          + "keep it as `retired` until then"
      )
    case .signsTooSoon(let kid, let before):
      let index = loaded.keys.firstIndex { $0.kid == kid }
      refuse(
        index.map { loaded.locations[$0] } ?? settings.location,
        "the signing key `\(kid)` would sign before backends know it: it can be `active` from \(UTCTime.text(before)) on; "
          + "keep it as `next` until then, or say with `activate_at` when")
    }
  }

  /// What the tokens are at this moment; nil after a refusal.
  func tokens(_ plan: SigningPlan, at now: Int64, _ location: SourceLocation) -> InternalTokens? {
    do throws(KeySetError) {
      return try plan.tokens(at: now)
    } catch {
      refuse(location, "internal_token: \(error.description)")
      return nil
    }
  }

  /// The keys of a directory that has changed, for the configuration in force.
  func replan(_ built: BuiltSnapshot) -> Swift.Result<SigningPlan, Refusal> {
    diagnostics = []
    if let loaded = signingKeys(built.configuration), let plan = signingPlan(loaded, built.configuration, built.proxy.backends),
      diagnostics.isEmpty
    {
      return .success(plan)
    }
    return .failure(Refusal(diagnostics: diagnostics))
  }

  struct Refusal: Error {
    let diagnostics: [Diagnostic]
  }
}
