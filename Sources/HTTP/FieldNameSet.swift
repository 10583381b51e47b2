import Bytes

/// Names of fields, to be found in any spelling that CGI, PHP, WSGI or Rack would take for the same: without regard to case, and
/// with every byte that is no letter and no digit read as `-`.
package struct FieldNameSet: Sendable {
  /// Names in the form of `FieldName.canonical`, one after the other, shorter ones first.
  private let bytes: [UInt8]
  /// Where names of each length begin, and where the last of them end.
  private let starts: [Int]

  package init(_ names: some Sequence<[UInt8]>) {
    let unique = Set(names.map { FieldName.canonical($0) }).sorted { ($0.count, $0.first ?? 0) < ($1.count, $1.first ?? 0) }
    var starts = [Int](repeating: 0, count: (unique.last?.count ?? 0) + 2)
    for name in unique { starts[name.count + 1] += name.count }
    for length in 1..<starts.count { starts[length] += starts[length - 1] }
    self.starts = starts
    bytes = Array(unique.joined())
  }

  package var isEmpty: Bool { bytes.isEmpty }

  package func contains(_ name: Span<UInt8>) -> Bool {
    guard name.count &+ 1 < starts.count else { return false }
    var start = starts[name.count]
    let end = starts[name.count &+ 1]
    while start < end {
      var index = 0
      while index < name.count, FieldName.folded(name[index]) == bytes[start &+ index] { index &+= 1 }
      if index == name.count { return true }
      start &+= name.count
    }
    return false
  }
}
