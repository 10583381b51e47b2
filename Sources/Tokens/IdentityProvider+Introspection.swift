import JSON

/// A principal out of what an introspection endpoint says (RFC 7662 section 2.2).
extension IdentityProvider {
  /// The checks, in this order: `iss`, if it is said; `exp`, `nbf` and `iat`, if they are; `aud`, if the provider has audiences;
  /// who it is; the required claims; the binding.
  ///
  /// Who it is: `sub`, else `username`, else `client_id`; claims then have it as `sub`.
  func principal(introspected members: JSONValue, now: Int64) throws(TokenDenial) -> Principal {
    if let issuer = members.member("iss") {
      guard issuer == .string(self.issuer) else { throw .issuer }
    }
    let expires = members.member("exp") == nil ? Int64.max : try checkExpiry(members, now: now)
    try checkBeginning(members, now: now)
    if !audiences.isEmpty { try checkAudience(members) }
    try checkUse(members)
    let subject = try Self.subject(members)
    try checkNames(members)
    var claims = members
    if members.member("sub") == nil { claims = .object((members.members ?? []) + [JSONMember("sub", .string(subject))]) }
    try checkRequiredClaims(claims)
    claims = try standardised(claims)
    return Principal(
      issuer: issuer, subject: subject, claims: claims, scopes: Principal.scopes(claims), expiresAt: expires, keyThumbprint: [],
      confirmation: try Confirmation(claims))
  }

  /// The first of the three that is there must be one that can be used: there is no second try.
  private static func subject(_ members: JSONValue) throws(TokenDenial) -> [UInt8] {
    guard let named = members.member("sub") ?? members.member("username") ?? members.member("client_id"),
      case .string(let subject) = named, !subject.isEmpty
    else { throw .claims }
    return subject
  }
}
