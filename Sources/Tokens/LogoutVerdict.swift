/// What there is to say about a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6).
package enum LogoutVerdict {
  /// - Parameters:
  ///   - entries: what is denied from now on.
  ///   - id: the token's `jti`, which must not come again from its issuer.
  case accepted([Revocation], id: [UInt8])
  case refused(StaticString)
  /// Fetching the set anew may bring the key that the token names.
  case unknownKey(RemoteKeys, kid: [UInt8])
  case keysUnavailable
}

extension ReplayCache {
  /// Logout tokens that were taken.
  package static let logouts = ReplayCache()
}
