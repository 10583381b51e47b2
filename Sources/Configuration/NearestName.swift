/// The name that somebody probably meant.
enum NearestName {
  /// "did you mean `x`?", or the names there are when none is near, or what to say when there are none at all.
  static func hint(for name: String, among known: [String], none: String = "") -> String {
    if let nearest = find(name, among: known) { return "did you mean `\(nearest)`?" }
    if known.isEmpty { return none }
    let listed = known.prefix(20).map { "`\($0)`" }.joined(separator: ", ")
    return "known: \(listed)\(known.count > 20 ? ", …" : "")"
  }

  /// The nearest within a third of the name's length; the first of equals.
  static func find(_ name: String, among known: [String]) -> String? {
    let letters = Array(name.lowercased().utf8.prefix(64))
    var best: (name: String, distance: Int)?
    for candidate in known {
      let distance = distance(letters, Array(candidate.lowercased().utf8.prefix(64)))
      if distance <= max(1, max(letters.count, candidate.utf8.count) / 3), distance < best?.distance ?? .max {
        best = (candidate, distance)
      }
    }
    return best?.name
  }

  /// Insertions, deletions, substitutions and transpositions of neighbours (Damerau–Levenshtein, optimal string alignment).
  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for i in left.indices {
      var row = [i + 1]
      for j in right.indices {
        var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { cost = min(cost, beforeLast[j - 1] + 1) }
        row.append(cost)
      }
      beforeLast = last
      last = row
    }
    return last[right.count]
  }
}
