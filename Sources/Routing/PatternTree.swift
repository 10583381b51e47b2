/// Patterns by their segments: a node for each beginning that some of them share.
final class PatternTree {
  private(set) var literals: [[UInt8]: PatternTree] = [:]
  private(set) var parameter: PatternTree?
  /// The pattern that ends here, and the one that goes on with `/**` from here.
  private(set) var exact: RoutePattern?
  private(set) var prefix: RoutePattern?

  func insert(_ pattern: RoutePattern) {
    var node = self
    for segment in pattern.segments { node = node.child(segment) }
    if pattern.isPrefix { node.prefix = pattern } else { node.exact = pattern }
  }

  private func child(_ segment: RoutePattern.Segment) -> PatternTree {
    switch segment {
    case .literal(let bytes):
      let child = literals[bytes] ?? PatternTree()
      literals[bytes] = child
      return child
    case .parameter:
      let child = parameter ?? PatternTree()
      parameter = child
      return child
    }
  }
}
