/// How long to wait before the next attempt: up to twice as long after each failure, at random, so that gateways that lost
/// the same server do not come back to it together.
struct Backoff {
  /// Milliseconds, both.
  static let shortest: UInt64 = 100
  static let longest: UInt64 = 5_000

  private var ceiling = Self.shortest
  private var random: any RandomNumberGenerator

  init(random: any RandomNumberGenerator) { self.random = random }

  /// Milliseconds: between `shortest` and a ceiling that starts at twice that, doubles with each call, and stops at `longest`.
  mutating func next() -> UInt64 {
    ceiling = min(ceiling * 2, Self.longest)
    return UInt64.random(in: Self.shortest...ceiling, using: &random)
  }

  mutating func reset() { ceiling = Self.shortest }
}
