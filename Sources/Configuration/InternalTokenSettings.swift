import JSON

package enum SigningKeyState: String, Sendable { case active, next, retired }

package struct SigningKeySettings: Sendable {
  package var kid: Located<String>
  /// ES256 or EdDSA.
  package var algorithm: Located<String>
  package var key: Located<String>
  package var state: SigningKeyState
  /// For a `next` one: signs from then on. Seconds since 1970.
  package var activateAt: Int64?
  /// Since when backends have been able to know it. Seconds since 1970.
  package var publishedSince: Int64?
  package init(kid: Located<String>, algorithm: Located<String>, key: Located<String>, state: SigningKeyState) {
    self.kid = kid
    self.algorithm = algorithm
    self.key = key
    self.state = state
  }
}

package enum InternalTokenProfile: Sendable { case compact, transaction }

/// A claim of the internal token.
package struct ClaimSettings: Sendable {
  package enum Source: Sendable, Equatable {
    /// A claim path in the access token (`tenant.id`).
    case path(String)
    case constant(JSONValue)
  }
  package var name: Located<String>
  package var source: Source
  package init(name: Located<String>, source: Source) {
    self.name = name
    self.source = source
  }
}

package struct InternalTokenSettings: Sendable {
  package var issuer: String
  package var header = "X-Internal-Token"
  package var profile = InternalTokenProfile.compact
  package var ttl = 60_000
  package var claims: [ClaimSettings] = []
  /// Of the whole token.
  package var maximumBytes = 4 << 10
  /// `aud` of transaction tokens in place of the backend's name.
  package var trustDomain: Located<String>?
  /// Of the key that signs; nil leaves it to the keys.
  package var algorithm: Located<String>?
  package var signingKeys: [SigningKeySettings] = []
  /// Where keys and the manifest of their times are, in place of `signingKeys`.
  package var keyDirectory: Located<String>?
  /// How long a key is published before it signs.
  package var publishAhead = 600_000
  /// How far backends' clocks may be behind the gateway's.
  package var leeway = 30_000
  package var location: SourceLocation
  package init(issuer: String, location: SourceLocation) {
    self.issuer = issuer
    self.location = location
  }

  /// What one backend gets: the same, but for what it asks for itself.
  package func applying(_ own: BackendTokenSettings?) -> InternalTokenSettings {
    guard let own else { return self }
    var settings = self
    settings.header = own.header ?? header
    settings.profile = own.profile ?? profile
    settings.ttl = own.ttl ?? ttl
    settings.claims = own.claims ?? claims
    settings.maximumBytes = own.maximumBytes ?? maximumBytes
    settings.trustDomain = own.trustDomain ?? trustDomain
    settings.algorithm = own.algorithm ?? algorithm
    settings.location = own.location
    return settings
  }
}

/// `backends[].internal_token`: what is otherwise for one backend. Nil is as for all.
package struct BackendTokenSettings: Sendable {
  package var header: String?
  package var profile: InternalTokenProfile?
  package var ttl: Int?
  package var claims: [ClaimSettings]?
  package var maximumBytes: Int?
  package var trustDomain: Located<String>?
  package var algorithm: Located<String>?
  package var location: SourceLocation
  package init(location: SourceLocation) { self.location = location }
}
