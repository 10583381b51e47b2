import JSON

/// One entry of a deny-list: which tokens are no longer good.
package struct Revocation: Sendable, Equatable {
  /// Which of a token's names is denied.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// One token (RFC 7519 section 4.1.7).
    case jti
    /// All of a user's tokens, or those issued before a time.
    case sub
    /// All tokens of a session (OpenID Connect Front-Channel Logout section 3).
    case sid
    /// All tokens that a key has signed.
    case kid

    var name: StaticString {
      switch self {
      case .jti: "jti"
      case .sub: "sub"
      case .sid: "sid"
      case .kid: "kid"
      }
    }
  }

  package var kind: Kind
  package var value: [UInt8]
  /// The issuer whose tokens are meant; nil means everybody's.
  package var issuer: [UInt8]?
  /// Seconds since 1970: tokens issued at that second or later are good. `Int64.max` denies all.
  package var issuedBefore = Int64.max
  /// Seconds since 1970: until when the entry holds; behind it, what it denies has expired anyway.
  package var until = Int64.max

  package init(_ kind: Kind, _ value: [UInt8], issuer: [UInt8]? = nil, issuedBefore: Int64 = .max, until: Int64 = .max) {
    self.kind = kind
    self.value = value
    self.issuer = issuer
    self.issuedBefore = issuedBefore
    self.until = until
  }

  /// Bytes of one entry's text.
  package static let maximumCount = 4096

  /// A JSON object with exactly one of `jti`, `sub`, `sid` and `kid`, and perhaps `iss`, `issued_before` (with `sub`) and `until`,
  /// both in seconds since 1970.
  ///
  /// - Throws: what is wrong, for people: an entry that is not understood might be the one that counts.
  package init(_ text: [UInt8]) throws(RevocationError) {
    guard text.count <= Self.maximumCount, let json = try? JSONParser.parse(text, limits: .token), let members = json.members else {
      throw RevocationError("is no JSON object")
    }
    var named: [(Kind, [UInt8])] = []
    var issuer: [UInt8]?
    var issuedBefore = Int64.max
    var until = Int64.max
    for member in members {
      let name = String(decoding: member.name, as: UTF8.self)
      switch name {
      case "jti", "sub", "sid", "kid":
        guard case .string(let value) = member.value, !value.isEmpty else { throw RevocationError("has a \(name) that is no text") }
        named.append((Kind.allCases.first { "\($0)" == name } ?? .jti, value))
      case "iss":
        guard case .string(let value) = member.value else { throw RevocationError("has an iss that is no text") }
        issuer = value
      case "issued_before", "until":
        guard let value = member.value.flooredInteger else { throw RevocationError("has a \(name) that is no time in seconds") }
        if name == "until" { until = value } else { issuedBefore = value }
      default: throw RevocationError("has a member \"\(name)\", which means nothing here")
      }
    }
    guard named.count == 1, let (kind, value) = named.first else {
      throw RevocationError("names \(named.isEmpty ? "none" : "several") of jti, sub, sid and kid")
    }
    guard issuedBefore == .max || kind == .sub else { throw RevocationError("has issued_before, which goes with sub only") }
    self.init(kind, value, issuer: issuer, issuedBefore: issuedBefore, until: until)
  }
}

/// Why an entry of a deny-list cannot be used.
package struct RevocationError: Error, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
