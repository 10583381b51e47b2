import Bytes
import HTTP

/// Names of the fields that some route decides by.
package struct DecidingNames: Sendable {
  private let spellings: FieldNameSet
  /// In lower case.
  private let names: [[UInt8]]

  /// - Parameter names: in lower case.
  package init(_ names: [[UInt8]]) {
    self.names = names
    spellings = FieldNameSet(names)
  }

  package var isEmpty: Bool { names.isEmpty }

  /// Whether `name` is such a field to a backend in whose eyes `_` or `.` is `-`.
  package func contain(spellingOf name: Span<UInt8>) -> Bool { spellings.contains(name) }

  /// Whether it is one to such a backend only: no route has looked at it.
  package func haveLookAlike(_ name: Span<UInt8>) -> Bool {
    guard spellings.contains(name) else { return false }
    for known in names where name.equalsIgnoringCase(known.span) { return false }
    return true
  }
}
