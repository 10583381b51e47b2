/// `revocation`: which tokens are no longer good although they look it. Times are milliseconds.
package struct RevocationSettings: Sendable {
  package var feeds: [RevocationFeedSettings] = []
  /// Index of the feed that keeps logouts; nil keeps them in memory.
  package var logoutStore: Int?
  package init() {}
}

/// A row of `revocation.feeds`.
package struct RevocationFeedSettings: Sendable {
  package enum Place: Sendable {
    case file(Located<String>)
    case redis(RedisSettings)
  }

  package var name: Located<String>
  package var place: Place
  /// Whether everybody is refused while the list is out of date.
  package var failsClosed: Bool
  package var staleAfter = 60_000
  package init(name: Located<String>, place: Place, failsClosed: Bool) {
    self.name = name
    self.place = place
    self.failsClosed = failsClosed
  }
}

package struct RedisSettings: Sendable, Equatable {
  package var address: Located<SocketAddressSettings>
  package var username: String?
  package var password: String?
  package var database = 0
  package var channel = "gatehouse:revoked"
  package var key = "gatehouse:revoked"
  package var readInterval = 5_000
  package init(address: Located<SocketAddressSettings>) { self.address = address }
}

/// `backchannel_logout` of an identity provider.
package struct LogoutSettings: Sendable, Equatable {
  /// One of them is in a logout token's `aud`; empty for the provider's audiences.
  package var clientIDs: [String] = []
  /// The longest that a token of the provider's lives.
  package var keep = 86_400_000
  /// Whether a logout from one session ends all of the user's.
  package var endsAllSessions = false
  package init() {}
}
