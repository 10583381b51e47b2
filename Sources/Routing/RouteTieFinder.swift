/// Finds routes of one host that could match one request with neither more specific.
///
/// Paths are compared segment by segment: a literal is more specific than a parameter. `/users/me/{page}` and
/// `/users/{id}/settings` both match `/users/me/settings`, and each is the more specific in one segment: they tie, unless a third
/// route for `/users/me/settings` itself takes what they share.
struct RouteTieFinder {
  static let maximum = 100
  private(set) var ties: [RouteTie] = []
  private var pairs: Set<[Int]> = []

  mutating func search(_ rules: [RoutePattern: [RouteTableBuilder.Rule]], host: HostPattern) {
    // By shape: the number of segments, and whether `/**` follows.
    var trees: [[Int]: PatternTree] = [:]
    // In one order whatever the dictionary's is, so that the same files are answered with the same lines.
    let sorted = rules.map { (name: $0.key.description, pattern: $0.key, rules: $0.value) }.sorted { $0.name < $1.name }
    for (_, pattern, own) in sorted {
      guard ties.count < Self.maximum else { return }
      compareWithin(own, pattern, host)
      // Without parameters a pattern is more specific than any other that it overlaps.
      guard pattern.segments.contains(.parameter) else { continue }
      let shape = [pattern.segments.count, pattern.isPrefix ? 1 : 0]
      let tree = trees[shape] ?? PatternTree()
      trees[shape] = tree
      var rivals: [RoutePattern] = []
      Self.collectOverlapping(tree, pattern.segments[...], &rivals)
      for rival in rivals { compare(own, pattern, rules[rival] ?? [], rival, rules, host) }
      tree.insert(pattern)
    }
  }

  private mutating func compareWithin(_ rules: [RouteTableBuilder.Rule], _ pattern: RoutePattern, _ host: HostPattern) {
    for (index, rule) in rules.enumerated() {
      for rival in rules[..<index] where rule.rank == rival.rank && rule.overlaps(rival) {
        report(rival, rule, "both take `\(pattern)` on \(Self.name(host)) and neither is more specific")
        if ties.count >= Self.maximum { return }
      }
    }
  }

  private mutating func compare(
    _ left: [RouteTableBuilder.Rule], _ leftPattern: RoutePattern, _ right: [RouteTableBuilder.Rule],
    _ rightPattern: RoutePattern, _ all: [RoutePattern: [RouteTableBuilder.Rule]], _ host: HostPattern
  ) {
    let shared = leftPattern.intersection(rightPattern)
    // One lies within the other, so it is the more specific.
    if shared == leftPattern || shared == rightPattern { return }
    let deciding = (all[shared] ?? []).filter(\.headers.isEmpty)
    for rule in left {
      for rival in right where rule.overlaps(rival) && ties.count < Self.maximum {
        if deciding.contains(where: { $0.methods.coversIntersection(of: rule.methods, rival.methods) }) { continue }
        report(
          rival, rule,
          "`\(leftPattern)` and `\(rightPattern)` on \(Self.name(host)) both take `\(shared)` and neither is more specific:"
            + " add a route for `\(shared)`, or name different methods")
      }
    }
  }

  private mutating func report(_ one: RouteTableBuilder.Rule, _ other: RouteTableBuilder.Rule, _ reason: String) {
    let pair = [min(one.route, other.route), max(one.route, other.route)]
    guard pairs.insert(pair).inserted else { return }
    ties.append(RouteTie(first: pair[0], second: pair[1], reason: reason))
  }

  private static func name(_ host: HostPattern) -> String { host == .any ? "any host" : "`\(host)`" }

  /// Every pattern in the tree that some path could match together with `segments`.
  private static func collectOverlapping(
    _ tree: PatternTree, _ segments: ArraySlice<RoutePattern.Segment>, _ found: inout [RoutePattern]
  ) {
    guard let first = segments.first else {
      if let pattern = tree.exact ?? tree.prefix { found.append(pattern) }
      return
    }
    let rest = segments.dropFirst()
    switch first {
    case .literal(let bytes):
      if let next = tree.literals[bytes] { collectOverlapping(next, rest, &found) }
      // A parameter does not take the empty segment behind a last slash.
      if !bytes.isEmpty, let next = tree.parameter { collectOverlapping(next, rest, &found) }
    case .parameter:
      for (bytes, next) in tree.literals where !bytes.isEmpty { collectOverlapping(next, rest, &found) }
      if let next = tree.parameter { collectOverlapping(next, rest, &found) }
    }
  }
}

extension RoutePattern {
  /// The pattern of the paths that match both, which must have the same number of segments: a literal where either has one.
  func intersection(_ other: RoutePattern) -> RoutePattern {
    RoutePattern(
      segments: zip(segments, other.segments).map { $0 == .parameter ? $1 : $0 }, isPrefix: isPrefix)
  }
}
