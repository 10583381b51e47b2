import Cryptography

/// New private keys, for `gatehouse keys new`.
package enum KeyGeneration {
  package enum Kind: String, Sendable, CaseIterable {
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"
    case rsa2048 = "RS256"
    case rsa3072 = "RS256-3072"
  }

  /// A new private key in PEM (PKCS #8, not encrypted). The caller writes it where only its owner can read.
  package static func makePEM(_ kind: Kind) throws(KeySetError) -> [UInt8] {
    let new: AsymmetricKey.New =
      switch kind {
      case .es256: .p256
      case .es384: .p384
      case .edDSA: .ed25519
      case .rsa2048: .rsa(bits: 2048)
      case .rsa3072: .rsa(bits: 3072)
      }
    guard let pem = AsymmetricKey(new: new)?.privatePEM() else { throw KeySetError("no key was made: \(OpenSSLError.take())") }
    return pem
  }
}
