import JSON

/// What a provider's claims look like, where issuers differ from each other.
package struct ClaimConventions: Sendable {
  /// The claim that says whom a token is for: a claim path. Nil: nothing says it, and `required_claims` do instead.
  package var audienceClaim: [UInt8]? = Array("aud".utf8)
  /// Claims that only an access token has in this way. Nil: no more is known than which values belong to other kinds of token.
  package var tokenUse: [IdentityProvider.RequiredClaim]?
  /// Seconds from `iat`, or from now where it is missing, to `exp`.
  package var maximumLife: Int64 = 86_400
  /// What stands between the names in a `scope` that is a string; nil is a space (RFC 8693 section 4.2).
  package var scopeSeparator: UInt8?
  package var roles = StringListForm.array

  package init() {}

  /// All of it, for a provider's fingerprint.
  var rules: JSONValue {
    .array([
      audienceClaim.map { .string($0) } ?? .null,
      tokenUse.map { .array($0.map { .array([.string($0.path), .array($0.values.map { .string($0) })]) }) } ?? .null,
      .integer(maximumLife), scopeSeparator.map { .integer(Int64($0)) } ?? .null, JSONValue(text: "\(roles)"),
    ])
  }
}

extension IdentityProvider {
  /// RFC 7519 section 4.1.3: a string or an array of strings, one of which is ours.
  func checkAudience(_ claims: JSONValue) throws(TokenDenial) {
    guard let path = conventions.audienceClaim else { return }
    switch claims.value(at: path) {
    case .string(let audience)?:
      guard audiences.contains(audience) else { throw .audience }
    case .array(let elements)?:
      var found = false
      for element in elements {
        guard case .string(let audience) = element else { throw .audience }
        found = found || audiences.contains(audience)
      }
      guard found else { throw .audience }
    default: throw .audience
    }
  }

  /// Whether the token may live for so long: an `exp` in milliseconds would let it live for 50,000 years.
  func allowsLife(_ claims: JSONValue, until expires: Int64, now: Int64) -> Bool {
    let start = min(claims.member("iat")?.flooredInteger ?? now, now)
    let (life, overflowed) = expires.subtractingReportingOverflow(start)
    return !overflowed && life <= conventions.maximumLife
  }

  /// Refuses what the issuer signs for other purposes: ID tokens, refresh tokens. Their `typ` in the header may be `JWT` all the same.
  func checkUse(_ claims: JSONValue) throws(TokenDenial) {
    guard let rules = conventions.tokenUse else {
      guard !Self.isOfAnotherUse(claims) else { throw .type }
      return
    }
    for rule in rules {
      guard let value = claims.value(at: rule.path), value != .null, rule.values.isEmpty || Self.matches(value, rule.values)
      else { throw .type }
    }
  }

  /// Keycloak writes the kind into `typ` among the claims, Cognito into `token_use`.
  private static func isOfAnotherUse(_ claims: JSONValue) -> Bool {
    for (name, kinds) in otherUses {
      guard case .string(let kind)? = claims.value(at: name) else { continue }
      let lower = kind.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
      if kinds.contains(lower) { return true }
    }
    return false
  }

  private static let otherUses: [(name: [UInt8], kinds: [[UInt8]])] = [
    (Array("typ".utf8), ["id", "refresh", "offline", "logout"].map { Array($0.utf8) }),
    (Array("token_use".utf8), ["id", "refresh"].map { Array($0.utf8) }),
  ]

  /// The claims with `scope` or `scp` as RFC 8693 section 4.2 writes them, whatever the issuer's separator. Rules, internal tokens and
  /// policies then read one form.
  func standardised(_ claims: JSONValue) throws(TokenDenial) -> JSONValue {
    guard let separator = conventions.scopeSeparator, separator != 0x20, case .object(let members) = claims else { return claims }
    var standard: [JSONMember] = []
    for member in members {
      guard Self.scopeClaims.contains(member.name), case .string(let text) = member.value else {
        standard.append(member)
        continue
      }
      let names = text.split(separator: separator).map { Self.trimmed($0) }.filter { !$0.isEmpty }
      // A name with a space in it would become two.
      guard names.allSatisfy({ !$0.contains(0x20) }) else { throw .claims }
      standard.append(JSONMember(name: member.name, value: .string(Array(names.joined(separator: [0x20])))))
    }
    return .object(standard)
  }

  private static let scopeClaims = [Array("scope".utf8), Array("scp".utf8)]

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while text.first == 0x20 { text = text.dropFirst() }
    while text.last == 0x20 { text = text.dropLast() }
    return text
  }
}
