/// A host or path pattern, method or header match that cannot be compiled. The message says what to write instead.
package struct PatternError: Error, Equatable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}
