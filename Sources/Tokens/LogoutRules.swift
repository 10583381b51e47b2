/// What a provider's logout tokens must say, and what a logout denies.
package struct LogoutRules: Sendable {
  /// One of them must be in `aud`.
  package let audiences: [[UInt8]]
  /// Seconds: the longest that a token of the provider's lives.
  package let keep: Int64
  /// A logout from one session ends all of the user's.
  package let endsAllSessions: Bool

  package init(audiences: [String], keep: Int64, endsAllSessions: Bool) {
    self.audiences = audiences.map { Array($0.utf8) }
    self.keep = keep
    self.endsAllSessions = endsAllSessions
  }
}
