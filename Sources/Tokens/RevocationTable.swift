import JSON

/// Entries of one feed, found by what they deny.
package struct RevocationTable: Sendable, Equatable {
  private struct Rule: Equatable {
    var issuedBefore: Int64
    var until: Int64
  }

  /// Kind, issuer, a zero byte, value: no issuer has a zero byte, since JSON's have none that YAML's could equal.
  private var rules: [[UInt8]: Rule] = [:]

  package static let maximumEntries = 1_000_000

  package init() {}

  package var count: Int { rules.count }
  package var isEmpty: Bool { rules.isEmpty }

  /// Two entries for the same thing deny what either denies.
  package mutating func insert(_ entry: Revocation) {
    let key = Self.key(entry.kind, entry.issuer, entry.value)
    guard let known = rules[key] else {
      rules[key] = Rule(issuedBefore: entry.issuedBefore, until: entry.until)
      return
    }
    rules[key] = Rule(issuedBefore: max(known.issuedBefore, entry.issuedBefore), until: max(known.until, entry.until))
  }

  /// Drops what is over.
  package mutating func prune(now: Int64) {
    if rules.values.contains(where: { $0.until <= now }) { rules = rules.filter { $0.value.until > now } }
  }

  private static func key(_ kind: Revocation.Kind, _ issuer: [UInt8]?, _ value: [UInt8]) -> [UInt8] {
    [kind.rawValue] + (issuer ?? []) + [0] + value
  }

  /// - Parameter now: seconds since 1970.
  func denies(_ kind: Revocation.Kind, _ value: [UInt8], issuer: [UInt8], issuedAt: Int64?, now: Int64) -> Bool {
    for key in [Self.key(kind, nil, value), Self.key(kind, issuer, value)] {
      guard let rule = rules[key], rule.until > now else { continue }
      // A token that does not say when it was issued may be older than any time.
      if (issuedAt ?? .min) < rule.issuedBefore { return true }
    }
    return false
  }
}
