import COpenSSL

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
    ERR_clear_error()
    guard let key = make(kind) else { throw KeySetError("no key was made: \(takeOpenSSLError())") }
    defer { EVP_PKEY_free(key) }
    return try PEMKey.write { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
  }

  private static func make(_ kind: Kind) -> OpaquePointer? {
    let name =
      switch kind {
      case .es256, .es384: "EC"
      case .edDSA: "ED25519"
      case .rsa2048, .rsa3072: "RSA"
      }
    guard let context = EVP_PKEY_CTX_new_from_name(nil, name, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    guard EVP_PKEY_keygen_init(context) == 1 else { return nil }
    switch kind {
    case .es256: guard EVP_PKEY_CTX_set_group_name(context, "prime256v1") == 1 else { return nil }
    case .es384: guard EVP_PKEY_CTX_set_group_name(context, "secp384r1") == 1 else { return nil }
    case .rsa2048: guard EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) == 1 else { return nil }
    case .rsa3072: guard EVP_PKEY_CTX_set_rsa_keygen_bits(context, 3072) == 1 else { return nil }
    case .edDSA: break
    }
    var key: OpaquePointer?
    return EVP_PKEY_generate(context, &key) == 1 ? key : nil
  }
}
