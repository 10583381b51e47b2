/// A public route that takes the methods which a route with authentication, on the same paths, does not name.
package struct RouteFallThrough: Sendable, Equatable {
  /// The index that the route with authentication was added with.
  package let guarded: Int
  /// The index of the public one.
  package let open: Int
  /// The paths that are meant, as the route with authentication has them.
  package let pattern: String

  package init(guarded: Int, open: Int, pattern: String) {
    self.guarded = guarded
    self.open = open
    self.pattern = pattern
  }
}

/// Finds routes for named methods beside or above which a public route takes all others: a method that nobody thought of then
/// passes without a token, and a framework may read it as one of those that were named.
///
/// A route without authentication that names its methods is none of these: somebody has thought of them.
struct RouteFallThroughFinder {
  static let maximum = 100
  let isPublic: (Int) -> Bool
  private(set) var found: [RouteFallThrough] = []
  private var pairs: Set<[Int]> = []

  init(isPublic: @escaping (Int) -> Bool) { self.isPublic = isPublic }

  mutating func search(_ rules: [RoutePattern: [RouteTableBuilder.Rule]]) {
    // Those with a route that names no methods.
    let root = PatternTree()
    for (pattern, own) in rules where own.contains(where: { !$0.methods.isNamed }) { root.insert(pattern) }
    // In one order whatever the dictionary's is, so that the same files are answered with the same lines.
    let sorted = rules.map { (name: $0.key.description, pattern: $0.key, rules: $0.value) }.sorted { $0.name < $1.name }
    for (name, pattern, own) in sorted {
      for rule in own where rule.methods.isNamed && !isPublic(rule.route) {
        guard found.count < Self.maximum else { return }
        guard let open = taker(of: pattern, root, rules), pairs.insert([rule.route, open]).inserted else { continue }
        found.append(RouteFallThrough(guarded: rule.route, open: open, pattern: name))
      }
    }
  }

  /// The public route, if it is one, that takes a method which nobody names, of the paths of `pattern`.
  private func taker(of pattern: RoutePattern, _ root: PatternTree, _ rules: [RoutePattern: [RouteTableBuilder.Rule]]) -> Int? {
    var exact: [RoutePattern] = []
    var prefixes: [(depth: Int, pattern: RoutePattern)] = []
    Self.collect(root, pattern.segments[...], pattern.isPrefix, depth: 0, &exact, &prefixes)
    // Sorting is stable: among those of one depth the one that a request would meet first stays first.
    let ordered = exact + prefixes.sorted { $0.depth > $1.depth }.map(\.pattern)
    for covering in ordered {
      let takers = (rules[covering] ?? []).filter { !$0.methods.isNamed }.sorted { $0.rank > $1.rank }
      for taker in takers {
        if isPublic(taker.route) { return taker.route }
        if taker.headers.isEmpty { return nil }
      }
    }
    return nil
  }

  /// Every pattern in the tree that takes all paths of the one with these segments, as `RouteTable` would walk to them.
  private static func collect(
    _ tree: PatternTree, _ segments: ArraySlice<RoutePattern.Segment>, _ isPrefix: Bool, depth: Int,
    _ exact: inout [RoutePattern], _ prefixes: inout [(depth: Int, pattern: RoutePattern)]
  ) {
    if let first = segments.first {
      let rest = segments.dropFirst()
      if case .literal(let bytes) = first, let next = tree.literals[bytes] {
        collect(next, rest, isPrefix, depth: depth + 1, &exact, &prefixes)
      }
      // A parameter does not take the empty segment behind a last slash.
      if first != .literal([]), let next = tree.parameter {
        collect(next, rest, isPrefix, depth: depth + 1, &exact, &prefixes)
      }
    } else if !isPrefix, let pattern = tree.exact {
      exact.append(pattern)
    }
    if let pattern = tree.prefix { prefixes.append((depth, pattern)) }
  }
}
