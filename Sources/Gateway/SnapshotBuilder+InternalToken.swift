import Configuration
import Tokens

/// The internal token: who mints it, with which keys.
extension SnapshotBuilder {
  func internalToken(_ settings: InternalTokenSettings?) -> (minter: InternalTokenMinter, published: PublishedKeySet)? {
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
      let published = PublishedKeySet(set)
      // Two implementations must accept what each key signs, against what is published, or the key signs nothing.
      try KeyCrossCheck.run(set, published: published)
      let minter = try InternalTokenMinter(
        keys: set, issuer: settings.issuer, ttl: Int64(settings.ttl / 1000), claims: settings.claims)
      return (minter, published)
    } catch {
      refuse(settings.location, "internal_token: \(error.description)")
      return nil
    }
  }
}
