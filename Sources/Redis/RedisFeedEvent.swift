/// What a feed tells its owner.
package enum RedisFeedEvent: Sendable, Equatable {
  /// A message published on the channel. Comes as soon as there is a subscription, before `alive` too.
  case entry(String)
  /// The sorted set in full, but for members whose end has passed.
  case snapshot([RedisEntry])
  /// Both connections answered and the set has been read since the subscription was made. `at`: ms of the loop's clock.
  case alive(at: UInt64)
  /// The feed has lost its server or did not reach it, and tries again. Told for each failed attempt.
  case down(reason: String)
  /// Something came that breaks a limit and was left out. The feed goes on.
  case ignored(reason: String)
}
