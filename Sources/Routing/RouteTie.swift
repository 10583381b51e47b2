/// Two routes that could both match one request with neither more specific: a configuration error.
package struct RouteTie: Sendable, Equatable {
  /// The indexes the routes were added with, the one added first first.
  package let first: Int
  package let second: Int
  /// Which requests, and what would decide.
  package let reason: String

  package init(first: Int, second: Int, reason: String) {
    self.first = first
    self.second = second
    self.reason = reason
  }
}
