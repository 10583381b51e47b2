/// A certificate, key or CA file that cannot be used. The message names the file and says what is wrong with it.
package struct TLSConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}
