/// A certificate, key or CA file that cannot be used. The message names the file and says what is wrong with it.
package struct TLSConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum File: Sendable { case certificate, key }

  package let message: String
  /// Which of two files it is about, where a certificate and its key are read.
  package let file: File
  /// What is wrong with the other one.
  package let others: [TLSConfigurationError]

  package init(_ message: String, _ file: File = .certificate, others: [TLSConfigurationError] = []) {
    self.message = message
    self.file = file
    self.others = others
  }

  package var description: String { message }
}
