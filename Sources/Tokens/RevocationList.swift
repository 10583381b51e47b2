import JSON

/// All that is denied at a moment, from all feeds. Immutable, shared by all workers.
package final class RevocationList: Sendable {
  private let tables: [RevocationTable]
  /// A feed is out of date, and the configuration would rather refuse everybody than let one in who was denied.
  package let refusesEverything: Bool

  package static let none = RevocationList([], refusesEverything: false)

  package init(_ tables: [RevocationTable], refusesEverything: Bool) {
    self.tables = tables.filter { !$0.isEmpty }
    self.refusesEverything = refusesEverything
  }

  package var count: Int { tables.reduce(0) { $0 + $1.count } }

  /// - Parameters:
  ///   - kid: of the key that signed.
  ///   - now: seconds since 1970.
  package func denies(_ principal: Principal, kid: [UInt8]?, now: Int64) -> Bool {
    guard !tables.isEmpty else { return false }
    let issuedAt = principal.claims.member("iat")?.flooredInteger
    func isDenied(_ kind: Revocation.Kind, _ value: [UInt8]?) -> Bool {
      guard let value else { return false }
      return tables.contains { $0.denies(kind, value, issuer: principal.issuer, issuedAt: issuedAt, now: now) }
    }
    return isDenied(.sub, principal.subject) || isDenied(.jti, principal.claims.member("jti")?.bytes)
      || isDenied(.sid, principal.claims.member("sid")?.bytes) || isDenied(.kid, kid)
  }
}
