/// When each signing key is published, signs, and goes: times in, answers out, no clock of its own. Seconds since 1970.
///
/// A key is **next** while it is published and does not sign, **active** while it signs, **retired** while tokens that it has signed
/// may be alive, and then **gone**. Two gateways with the same times always agree.
package struct KeySchedule: Sendable, Equatable {
  package struct Key: Sendable, Equatable {
    package var kid: String
    package var algorithm: JOSEAlgorithm
    /// Signs from this second on, until one does that signs from later on; nil never signs, or not before it is told to.
    package var signsFrom: Int64?
    /// Seconds from the last signature until no backend takes it any more: the longest `ttl`, and what clocks may differ by.
    package var tokenLife: Int64
    /// Whether it goes by itself when that is over. Else it is published for as long as it is listed.
    package var leaves: Bool
    /// Whether it has signed before, and will not again, whatever the times are.
    package var isRetired: Bool

    package init(
      kid: String, algorithm: JOSEAlgorithm, signsFrom: Int64?, tokenLife: Int64, leaves: Bool = false, isRetired: Bool = false
    ) {
      self.kid = kid
      self.algorithm = algorithm
      self.signsFrom = isRetired ? nil : signsFrom
      self.tokenLife = tokenLife
      self.leaves = leaves
      self.isRetired = isRetired
    }
  }

  package enum Phase: Sendable, Equatable {
    /// Signs from then on, if that is known.
    case next(from: Int64?)
    /// Signs until then, if a successor is known.
    case active(until: Int64?)
    /// Published until then; nil until it is taken out.
    case retired(until: Int64?)
    case gone(since: Int64)
  }

  /// What is in force at one moment, by index into `keys`.
  package struct Moment: Sendable, Equatable {
    /// For each of `uses`; nil when no key signs.
    package var signers: [Int?]
    package var published: [Int]
  }

  package let keys: [Key]
  /// What keys are used for: the algorithm that is asked for, or nil for whichever signs last. Without repetition.
  package let uses: [JOSEAlgorithm?]

  package init(keys: [Key], uses: [JOSEAlgorithm?]) {
    self.keys = keys
    var distinct: [JOSEAlgorithm?] = []
    for use in uses where !distinct.contains(use) { distinct.append(use) }
    self.uses = distinct
  }

  /// The key that signs: of those whose time has come the last, and of equals the first in the list.
  package func signer(for use: JOSEAlgorithm?, at now: Int64) -> Int? {
    var best: Int?
    for (index, key) in keys.enumerated() where serves(key, use) {
      guard let from = key.signsFrom, from <= now else { continue }
      if let known = best, let other = keys[known].signsFrom, from <= other { continue }
      best = index
    }
    return best
  }

  private func serves(_ key: Key, _ use: JOSEAlgorithm?) -> Bool { use == nil || key.algorithm == use }

  /// When another has taken its place in everything it is used for; nil when none is known to.
  private func superseded(_ index: Int) -> Int64? {
    guard let from = keys[index].signsFrom else { return nil }
    var last: Int64?
    for use in uses where serves(keys[index], use) {
      var first: Int64?
      for (other, key) in keys.enumerated() where other != index && serves(key, use) {
        guard let time = key.signsFrom, time > from || (time == from && other < index) else { continue }
        first = min(first ?? time, time)
      }
      guard let first else { return nil }
      last = max(last ?? first, first)
    }
    return last
  }

  package func phase(of index: Int, at now: Int64) -> Phase {
    let key = keys[index]
    if key.isRetired { return .retired(until: nil) }
    guard let from = key.signsFrom else { return .next(from: nil) }
    guard from <= now else { return .next(from: from) }
    guard let end = superseded(index), end <= now else { return .active(until: superseded(index)) }
    guard key.leaves else { return .retired(until: nil) }
    let gone = end + key.tokenLife
    return now < gone ? .retired(until: gone) : .gone(since: gone)
  }

  package func moment(at now: Int64) -> Moment {
    Moment(
      signers: uses.map { signer(for: $0, at: now) },
      published: keys.indices.filter { if case .gone = phase(of: $0, at: now) { false } else { true } })
  }

  /// When `moment(at:)` changes next; nil when nothing is known to.
  package func nextChange(after now: Int64) -> Int64? {
    var next: Int64?
    func consider(_ time: Int64?) {
      if let time, time > now { next = min(next ?? time, time) }
    }
    for index in keys.indices {
      consider(keys[index].signsFrom)
      if keys[index].leaves, let end = superseded(index) { consider(end + keys[index].tokenLife) }
    }
    return next
  }
}
