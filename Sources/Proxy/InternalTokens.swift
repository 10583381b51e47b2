import Tokens

/// Who makes the internal tokens for each backend, and with which keys backends check them: one moment of a rotation. Immutable;
/// replaced as a whole, also within a snapshot, when another key's turn comes.
package final class InternalTokens: Sendable {
  /// By the backend's index; empty when no route authenticates.
  package let minters: [InternalTokenMinter]
  /// The public keys, as served.
  package let publishedKeys: [UInt8]

  package init(minters: [InternalTokenMinter], publishedKeys: [UInt8]) {
    self.minters = minters
    self.publishedKeys = publishedKeys
  }

  package static let none = InternalTokens(minters: [], publishedKeys: Array(#"{"keys":[]}"#.utf8))
}
