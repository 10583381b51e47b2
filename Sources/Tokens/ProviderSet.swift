/// Some of a snapshot's identity providers, by index.
///
/// A fixed number of bits, so that a route's set is looked into without a count of references. An index at or beyond `maximum` is never in
/// a set: whoever it stands for vouches for nobody. The configuration refuses that many before it comes to this.
package struct ProviderSet: Sendable {
  /// As many as a configuration may name.
  package static let maximum = 1024
  private static let wordBits = 64

  private var words = InlineArray<16, UInt64>(repeating: 0)
  package private(set) var isEmpty = true

  package init(_ indexes: some Sequence<Int>) {
    for index in indexes where index >= 0 && index < Self.maximum {
      words[index / Self.wordBits] |= 1 << UInt64(index % Self.wordBits)
      isEmpty = false
    }
  }

  package func contains(_ index: Int) -> Bool {
    guard index >= 0, index < Self.maximum else { return false }
    return words[index / Self.wordBits] & 1 << UInt64(index % Self.wordBits) != 0
  }
}
