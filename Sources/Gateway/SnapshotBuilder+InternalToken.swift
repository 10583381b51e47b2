import Configuration
import Proxy
import Tokens
import Upstream

/// The internal token: who mints it, with which keys.
extension SnapshotBuilder {
  func internalToken(_ settings: InternalTokenSettings?) -> SigningKeySet? {
    guard let settings else { return nil }
    var keys: [SigningKey] = []
    for key in settings.signingKeys {
      guard let pem = read(key.key, "the signing key") else { continue }
      guard let algorithm = JOSEAlgorithm(key.algorithm.value) else { continue }
      let state: SigningKey.State =
        switch key.state {
        case .active: .active
        case .next: .next
        case .retired: .retired
        }
      do throws(KeySetError) {
        keys.append(try SigningKey(kid: key.kid.value, algorithm: algorithm, pem: pem, state: state))
      } catch {
        refuse(key.key.location, "\(key.key.value): \(error.description)")
      }
    }
    guard keys.count == settings.signingKeys.count else { return nil }
    do throws(KeySetError) {
      let set = try SigningKeySet(keys)
      // Two implementations must accept what each key signs, against what is published, or the key signs nothing.
      try KeyCrossCheck.run(set, published: PublishedKeySet(set))
      return set
    } catch {
      refuse(settings.location, "internal_token: \(error.description)")
      return nil
    }
  }

  /// Who makes each backend's tokens.
  func tokens(_ keys: SigningKeySet, _ configuration: GatewayConfiguration, _ backends: [Backend]) -> InternalTokens? {
    guard let shared = configuration.internalToken, backends.count == configuration.backends.count else { return nil }
    var minters: [InternalTokenMinter] = []
    for (backend, row) in zip(backends, configuration.backends) {
      let settings = shared.applying(row.internalToken)
      do throws(KeySetError) {
        let key = try keys.signer(settings.algorithm.flatMap { JOSEAlgorithm($0.value) })
        minters.append(try InternalTokenMinter(key: key, rules: InternalTokenRules(settings, for: backend)))
      } catch {
        refuse(settings.location, "internal_token: \(error.description)")
      }
    }
    return InternalTokens(minters: minters, publishedKeys: PublishedKeySet(keys).json)
  }
}
