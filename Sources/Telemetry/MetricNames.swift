import Bytes

/// Names in metrics, as small numbers that workers can count by. A number once given keeps its name for as long as the process
/// lives, so a route that a reload leaves in place goes on counting where it was.
///
/// Asked by the control thread while it builds a snapshot, which then carries the numbers.
package final class MetricNames: Sendable {
  package enum Space: Int, CaseIterable, Sendable { case route, backend, endpoint, provider, listener }

  /// Stands for no name, as in requests that met no route; written as an empty label.
  package static let none = -1

  private struct Table {
    var names: [String] = []
    var ids: [String: Int] = [:]
  }

  private let tables = Locked([Table](repeating: Table(), count: Space.allCases.count))

  package init() {}

  /// The number of `name`, given now if it has none yet. Counts from 0.
  package func id(of name: String, in space: Space) -> Int {
    tables.withLock { tables in
      if let id = tables[space.rawValue].ids[name] { return id }
      let id = tables[space.rawValue].names.count
      tables[space.rawValue].names.append(name)
      tables[space.rawValue].ids[name] = id
      return id
    }
  }

  /// The name of `id`; empty for `none` and for what was never given.
  package func name(of id: Int, in space: Space) -> String {
    tables.withLock { tables in
      let names = tables[space.rawValue].names
      return names.indices.contains(id) ? names[id] : ""
    }
  }
}
