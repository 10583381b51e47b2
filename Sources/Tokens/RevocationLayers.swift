/// A deny-list that grows by single entries: tables of which one at most of each size, so that an entry costs the copying of a few
/// others and never of all.
package struct RevocationLayers: Sendable {
  /// From the largest to the smallest.
  package private(set) var tables: [RevocationTable] = []

  package init() {}

  package init(_ table: RevocationTable) { tables = table.isEmpty ? [] : [table] }

  /// Entries, those that say the same perhaps counted more than once.
  package var count: Int { tables.reduce(0) { $0 + $1.count } }
  package var isEmpty: Bool { tables.isEmpty }
  /// Seconds since 1970: when the first of the entries ends.
  package var firstEnd: Int64 { tables.reduce(.max) { min($0, $1.firstEnd) } }

  /// - Parameter now: seconds since 1970; what has ended by then is left out on the way.
  package mutating func add(_ entries: [Revocation], now: Int64) {
    guard !entries.isEmpty else { return }
    var builder = RevocationTable.Builder()
    for entry in entries { builder.add(entry) }
    // As a binary counter adds one: two tables of one size become one of the next.
    while let last = tables.last, last.count < builder.count * 2 {
      builder.add(last, now: now)
      tables.removeLast()
    }
    let table = RevocationTable(builder)
    if !table.isEmpty { tables.append(table) }
  }

  /// All in one table, without what has ended.
  package func merged(now: Int64) -> RevocationTable {
    var builder = RevocationTable.Builder()
    for table in tables { builder.add(table, now: now) }
    return RevocationTable(builder)
  }
}
