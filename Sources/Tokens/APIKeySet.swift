import Bytes
import Cryptography

/// The keys of one provider of API keys. Immutable; read anew by each reload.
package final class APIKeySet: Sendable {
  private let keys: [[UInt8]: APIKey]
  /// What a key of an unknown id is compared with, so that it takes as long to refuse.
  private let nobody = APIKey(
    id: [], salt: [UInt8](repeating: 0, count: 16), hash: [UInt8](repeating: 0, count: 32), issuer: [], subject: [], claims: [],
    expiresAt: nil)

  /// - Parameter keys: of ids that differ.
  package init(_ keys: [APIKey]) {
    self.keys = Dictionary(keys.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  package var count: Int { keys.count }

  /// The key that `text` is.
  ///
  /// - Throws: `.apiKeyInvalid`, and `.expired` for a key that would else be good.
  func find(_ text: Span<UInt8>, now: Int64) throws(TokenDenial) -> APIKey {
    guard let id = APIKey.id(of: text) else { throw .apiKeyInvalid }
    let known = keys[id]
    let candidate = known ?? nobody
    let matches = ConstantTime.equal(APIKey.hash([UInt8](text), salt: candidate.salt), candidate.hash)
    guard matches, let known else { throw .apiKeyInvalid }
    guard now < known.principal.expiresAt else { throw .expired }
    return known
  }
}
