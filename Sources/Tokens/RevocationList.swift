import JSON

/// All that is denied at a moment, from all feeds. Immutable, shared by all workers.
package final class RevocationList: Sendable {
  private let tables: [RevocationTable]
  private let scopes: RevocationTable.Scopes
  /// A feed is out of date, and the configuration would rather refuse everybody than let one in who was denied.
  package let refusesEverything: Bool

  package static let none = RevocationList([], refusesEverything: false)

  package init(_ tables: [RevocationTable], refusesEverything: Bool) {
    self.tables = tables.filter { !$0.isEmpty }
    scopes = tables.reduce(into: []) { $0.formUnion($1.scopes) }
    self.refusesEverything = refusesEverything
  }

  package var count: Int { tables.reduce(0) { $0 + $1.count } }

  /// What this list has and `other` has not: all that is to be looked at again for a token that was good under `other`.
  func additions(to other: RevocationList) -> RevocationList {
    RevocationList(tables.filter { table in !other.tables.contains { $0 === table } }, refusesEverything: false)
  }

  /// Whether tokens that a key has signed are denied, whatever they say.
  func deniesKey(_ kid: [UInt8]?, issuer: [UInt8], now: Int64) -> Bool {
    guard let kid, !tables.isEmpty else { return false }
    return [nil, issuer].contains { issuer in
      let key = RevocationTable.key(.kid, issuer, kid)
      return tables.contains { $0.denies(key, issuedAt: nil, now: now) }
    }
  }

  /// - Parameters:
  ///   - kid: of the key that signed.
  ///   - now: seconds since 1970.
  package func denies(_ principal: Principal, kid: [UInt8]?, now: Int64) -> Bool {
    guard !tables.isEmpty else { return false }
    let issuedAt = principal.claims.member("iat")?.flooredInteger
    func isDenied(_ kind: Revocation.Kind, _ value: [UInt8]?) -> Bool {
      guard let value else { return false }
      for issuer in [nil, principal.issuer] where scopes.contains(.init(kind, hasIssuer: issuer != nil)) {
        let key = RevocationTable.key(kind, issuer, value)
        if tables.contains(where: { $0.denies(key, issuedAt: issuedAt, now: now) }) { return true }
      }
      return false
    }
    return isDenied(.sub, principal.subject) || isDenied(.jti, principal.claims.member("jti")?.bytes)
      || isDenied(.sid, principal.claims.member("sid")?.bytes) || isDenied(.kid, kid)
  }
}
