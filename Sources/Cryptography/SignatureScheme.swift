/// How a signature with a pair of keys is made.
package enum SignatureScheme: Hashable, Sendable {
  /// r and s at the curve's full width, one after the other.
  case ecdsa(HashFunction)
  case rsaPKCS1(HashFunction)
  /// MGF1 with the same hash function, and a salt exactly as long as a digest.
  case rsaPSS(HashFunction)
  case ed25519

  /// Nil where the message itself is signed.
  var hash: HashFunction? {
    switch self {
    case .ecdsa(let hash), .rsaPKCS1(let hash), .rsaPSS(let hash): hash
    case .ed25519: nil
    }
  }
}
