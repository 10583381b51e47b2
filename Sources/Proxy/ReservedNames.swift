import Bytes
import HTTP
import Routing

/// Names that clients may not use, or not in every spelling. Immutable, shared by all requests of a snapshot.
package final class ReservedNames: Sendable {
  /// Fields that carry internal tokens to any backend.
  private let tokens: FieldNameSet
  /// Fields that routes decide by.
  private let deciding: DecidingNames

  package init(tokens: FieldNameSet, deciding: DecidingNames) {
    self.tokens = tokens
    self.deciding = deciding
  }

  /// Whether an internal token is read there.
  func holdToken(_ name: Span<UInt8>) -> Bool { tokens.contains(name) }

  /// Whether a backend may take the field for one that routes have decided by, when it is none.
  func haveLookAlike(_ name: Span<UInt8>) -> Bool { deciding.haveLookAlike(name) }

  /// A trailer may no more look like the gateway's word than a header field may, and routes have decided before it came.
  func refuseTrailer(_ name: Span<UInt8>) -> Bool { tokens.contains(name) || deciding.contain(spellingOf: name) }
}
