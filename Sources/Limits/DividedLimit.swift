/// A limit that several workers have together. Their parts add up to it, but that each has one at least where there is any.
package struct DividedLimit: Equatable, Sendable {
  package let whole: Int
  package let parts: Int

  package init(_ whole: Int, parts: Int) {
    self.whole = max(0, whole)
    self.parts = max(1, parts)
  }

  /// What the worker `number`, counted from 0, has: what does not divide evenly goes to the first.
  package func part(of number: Int) -> Int {
    guard whole > 0 else { return 0 }
    return max(1, whole / parts + (number < whole % parts ? 1 : 0))
  }

  /// What a worker has who has least.
  package var least: Int { part(of: parts - 1) }
}
