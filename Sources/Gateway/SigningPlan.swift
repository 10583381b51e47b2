import Configuration
import Proxy
import Tokens

/// The signing keys of a configuration with their times, and what each backend's tokens are like: all that the moments of a
/// rotation are made of.
package final class SigningPlan: Sendable {
  let keys: SigningKeySet
  /// Of `keys`, by index.
  let schedule: KeySchedule
  let identities: [KeyHistory.Identity]
  /// What each backend's tokens are like, and the algorithm that is asked for, by the backend's index.
  let rules: [(rules: InternalTokenRules, use: JOSEAlgorithm?)]
  /// Seconds.
  let publishAhead: Int64
  let tokenLife: Int64
  /// Where the keys come from, when it is a directory, and which version of it.
  let source: Source?

  struct Source: Sendable {
    let directory: KeyDirectory
    let stamp: KeyDirectory.Stamp
    /// Keys whose publication, or the length of whose tokens, the manifest does not know of yet.
    let unrecorded: Set<String>
  }

  init(
    keys: SigningKeySet, schedule: KeySchedule, identities: [KeyHistory.Identity],
    rules: [(rules: InternalTokenRules, use: JOSEAlgorithm?)],
    publishAhead: Int64, tokenLife: Int64, source: Source?
  ) {
    self.keys = keys
    self.schedule = schedule
    self.identities = identities
    self.rules = rules
    self.publishAhead = publishAhead
    self.tokenLife = tokenLife
    self.source = source
  }

  /// - Parameter now: seconds since 1970.
  func tokens(at now: Int64) throws(KeySetError) -> InternalTokens {
    var minters: [InternalTokenMinter] = []
    for backend in rules {
      guard let signer = schedule.signer(for: backend.use, at: now) else {
        throw KeySetError("no signing key\(backend.use.map { " for \($0.name)" } ?? "") is active")
      }
      minters.append(try InternalTokenMinter(key: keys.keys[signer], rules: backend.rules))
    }
    let published = schedule.moment(at: now).published.map { keys.keys[$0] }
    return InternalTokens(minters: minters, publishedKeys: PublishedKeySet(published).json)
  }

  func rows(at now: Int64) -> [SigningKeyRow] { schedule.rows(at: now) }
}

/// A signing key as people are told of it. Times are RFC 3339.
struct SigningKeyRow: Encodable, Sendable {
  var kid: String
  var algorithm: String
  var state: String
  var signs_from: String?
  var signs_until: String?
  var published_until: String?

  /// What happens with it, and when.
  ///
  /// - Parameter inDirectory: it is a key directory's, which a key without a time waits in until a gateway has published it.
  func text(inDirectory: Bool) -> String {
    let story: String =
      switch state {
      case "next":
        signs_from.map { "signs from \($0)" }
          ?? (inDirectory ? "waits for a gateway to publish it" : "published by running gateways, does not sign")
      case "active": signs_until.map { "signs until \($0)" } ?? "signs"
      default: published_until.map { "signs no more, published until \($0)" } ?? "signs no more"
      }
    return "\(kid) (\(algorithm)): \(state), \(story)"
  }
}

extension KeySchedule {
  /// All keys but those that are gone.
  func rows(at now: Int64) -> [SigningKeyRow] {
    keys.indices.compactMap { index in
      var row = SigningKeyRow(kid: keys[index].kid, algorithm: keys[index].algorithm.name.description, state: "active")
      switch phase(of: index, at: now) {
      case .next(let from):
        row.state = "next"
        row.signs_from = from.map(UTCTime.text)
      case .active(let until): row.signs_until = until.map(UTCTime.text)
      case .retired(let until):
        row.state = "retired"
        row.published_until = until.map(UTCTime.text)
      case .gone: return nil
      }
      return row
    }
  }
}

extension GatewayConfiguration {
  /// Seconds from a token's birth until no backend takes it any more, for the longest-lived one.
  var tokenLife: Int64 {
    guard let shared = internalToken else { return 0 }
    let longest = backends.map { shared.applying($0.internalToken).ttl }.max() ?? shared.ttl
    return Int64((max(longest, shared.ttl) + shared.leeway + 999) / 1000) + KeyManifest.settling
  }

  /// What signing keys are used for.
  var keyUses: [JOSEAlgorithm?] {
    guard let shared = internalToken else { return [] }
    return ([shared] + backends.map { shared.applying($0.internalToken) }).map {
      $0.algorithm.flatMap { JOSEAlgorithm($0.value) }
    }
  }
}
