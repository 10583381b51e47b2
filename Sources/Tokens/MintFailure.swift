/// Why no internal token was made.
package enum MintFailure: Error, Hashable, Sendable {
  /// The access token has ended.
  case expired
  /// With the principal's claims it would be above `InternalTokenRules.maximumBytes`. Nothing is left out to make it fit: what a
  /// backend does not see it cannot heed.
  case tooLarge
  /// `act` is no object: a token that says that somebody acts for the subject, but not who.
  case actor
  /// OpenSSL does not sign.
  case signature
}
