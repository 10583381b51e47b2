/// Bounds on a text before and while it is read.
package struct JSONLimits: Sendable {
  /// Arrays and objects inside one another, the outermost counted.
  package var depth: Int
  /// Bytes of the whole text.
  package var size: Int

  package init(depth: Int = 8, size: Int) {
    self.depth = depth
    self.size = size
  }

  /// For what a token carries: a token is far smaller before this bound matters.
  package static let token = JSONLimits(size: 64 << 10)
  /// For a key set: 1 MiB.
  package static let keySet = JSONLimits(size: 1 << 20)
}
