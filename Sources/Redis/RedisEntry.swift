/// One member of the sorted set that is read.
package struct RedisEntry: Sendable, Equatable {
  package let text: String
  /// Seconds since 1970, as the score says; `Int64.max` for `+inf`, rounded up for a fraction.
  package let endsAt: Int64

  package init(text: String, endsAt: Int64) {
    self.text = text
    self.endsAt = endsAt
  }
}
