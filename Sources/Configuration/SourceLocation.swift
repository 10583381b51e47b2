/// Where in the operator's files a value stands. Lines and columns count from 1.
package struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  package let file: String
  package let line: Int
  package let column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  package var description: String { "\(file):\(line):\(column)" }
}

/// A value and where it was written, so that an error found later (a key that does not load, two routes that tie) can
/// still say where.
package struct Located<Value: Sendable>: Sendable {
  package var value: Value
  package var location: SourceLocation

  package init(_ value: Value, at location: SourceLocation) {
    self.value = value
    self.location = location
  }
}

extension Located: Equatable where Value: Equatable {
  package static func == (left: Self, right: Self) -> Bool { left.value == right.value }
}

/// One thing wrong with a configuration: what, where, and what to write instead.
package struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
  package let location: SourceLocation
  package let message: String

  package init(_ location: SourceLocation, _ message: String) {
    self.location = location
    self.message = message
  }

  package var description: String { "\(location): \(message)" }
  /// The line that tells of it when it is no error.
  package var warning: String { "\(location): warning: \(message)" }
}
