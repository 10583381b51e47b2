/// What the world may hold of this gateway's keys: since when each is published, and until when tokens that it has signed may be
/// alive. A new configuration is held against it, so that no backend ever meets a token whose key it could not know. Pure; seconds
/// since 1970.
package struct KeyHistory: Sendable {
  /// A key is the same only with the same public half: a `kid` may be used again.
  package struct Identity: Hashable, Sendable {
    package let kid: String
    package let thumbprint: [UInt8]

    package init(kid: String, thumbprint: [UInt8]) {
      self.kid = kid
      self.thumbprint = thumbprint
    }
  }

  package enum Objection: Sendable, Equatable {
    /// The key is no longer published, but tokens that it signed may be alive until then.
    case removedTooSoon(kid: String, until: Int64)
    /// The key signs although backends that keep the key set may not know it before then.
    case signsTooSoon(kid: String, before: Int64)
  }

  private struct Entry {
    /// Nil when it no longer is.
    var publishedSince: Int64?
    /// Tokens that it has signed before now; nil when it has signed none.
    var tokensUntil: Int64?
    var signs = false
    var tokenLife: Int64 = 0

    /// With what it has signed until now.
    func ended(now: Int64) -> Entry {
      var entry = self
      if signs { entry.tokensUntil = max(tokensUntil ?? .min, now + tokenLife) }
      return entry
    }
  }
  private var entries: [Identity: Entry] = [:]
  private var startedAt: Int64 = .max

  package init() {}

  /// Whether anything was ever in force: what comes first meets no objections.
  package var isEmpty: Bool { entries.isEmpty }

  /// Before when a key must not sign, whatever others say: one that appeared while this was kept has been published by others for
  /// longer, perhaps, but not by us. Nil for those that were there from the beginning.
  package func earliestSignature(_ key: Identity, publishAhead: Int64, now: Int64) -> Int64? {
    guard !isEmpty else { return nil }
    guard let since = entries[key]?.publishedSince else { return now + publishAhead }
    return since > startedAt ? since + publishAhead : nil
  }

  /// `schedule` is in force at this moment. Called when it takes effect, and when its moment changes.
  ///
  /// - Parameter identities: of the schedule's keys, by index.
  package mutating func record(_ schedule: KeySchedule, _ identities: [Identity], now: Int64) {
    startedAt = min(startedAt, now)
    let moment = schedule.moment(at: now)
    let published = Set(moment.published.map { identities[$0] })
    for (identity, entry) in entries where !published.contains(identity) {
      var entry = entry.ended(now: now)
      entry.signs = false
      entry.publishedSince = nil
      entries[identity] = entry.tokensUntil ?? .min > now ? entry : nil
    }
    for index in moment.published {
      var entry = entries[identities[index]]?.ended(now: now) ?? Entry()
      entry.publishedSince = entry.publishedSince ?? now
      entry.signs = moment.signers.contains(index)
      entry.tokenLife = schedule.keys[index].tokenLife
      entries[identities[index]] = entry.ended(now: now)
    }
  }

  /// Why `schedule` cannot take the present one's place now; empty when it can.
  ///
  /// - Parameters:
  ///   - publishAhead: seconds that a key has to be published before it signs.
  ///   - publishedSince: since when a key is published by somebody else's word, by index.
  package func objections(
    to schedule: KeySchedule, _ identities: [Identity], publishAhead: Int64, publishedSince: [Int64?], now: Int64
  ) -> [Objection] {
    guard !isEmpty else { return [] }
    let moment = schedule.moment(at: now)
    let published = Set(moment.published.map { identities[$0] })
    var objections: [Objection] = []
    for (identity, entry) in entries.sorted(by: { $0.key.kid < $1.key.kid }) where !published.contains(identity) {
      guard let until = entry.ended(now: now).tokensUntil, until > now else { continue }
      objections.append(.removedTooSoon(kid: identity.kid, until: until))
    }
    for (index, key) in schedule.keys.enumerated() where entries[identities[index]]?.signs != true {
      guard let from = key.signsFrom else { continue }
      // One that is overtaken before its turn never signs.
      guard from > now || moment.signers.contains(index) else { continue }
      let since = min(entries[identities[index]]?.publishedSince ?? now, publishedSince[index] ?? .max, now)
      if max(from, now) < since + publishAhead {
        objections.append(.signsTooSoon(kid: key.kid, before: since + publishAhead))
      }
    }
    return objections
  }
}
