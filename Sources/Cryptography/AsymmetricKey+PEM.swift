import Bytes
import COpenSSL

/// Keys as text (RFC 7468). No passphrase is ever asked for.
extension AsymmetricKey {
  /// An unencrypted private key. Nil, with OpenSSL's error queue saying why, when `pem` holds none.
  package convenience init?(privatePEM pem: [UInt8]) {
    // What OpenSSL has made is ours.
    guard let key = unsafe Self.read(pem, { unsafe PEM_read_bio_PrivateKey($0, nil, refusePassphrase, nil) }) else { return nil }
    unsafe self.init(taking: key, isPrivate: true)
  }

  /// A public key. Nil, with OpenSSL's error queue saying why, when `pem` holds none.
  package convenience init?(publicPEM pem: [UInt8]) {
    // What OpenSSL has made is ours.
    guard let key = unsafe Self.read(pem, { unsafe PEM_read_bio_PUBKEY($0, nil, refusePassphrase, nil) }) else { return nil }
    unsafe self.init(taking: key, isPrivate: false)
  }

  private static func read(_ pem: [UInt8], _ reader: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
    ERR_clear_error()
    // The BIO looks into the array and is freed before it goes.
    return unsafe pem.withUnsafeBytes { bytes in
      guard let bio = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else { return nil }
      defer { unsafe BIO_free(bio) }
      return unsafe reader(bio)
    }
  }

  /// The public half. Nil, with OpenSSL's error queue saying why, when it cannot be written.
  package func publicPEM() -> [UInt8]? { unsafe Self.write { unsafe PEM_write_bio_PUBKEY($0, pointer) } }

  /// The private half in PKCS #8, not encrypted. Nil when there is none.
  package func privatePEM() -> [UInt8]? {
    unsafe Self.write { unsafe PEM_write_bio_PKCS8PrivateKey($0, pointer, nil, nil, 0, nil, nil) }
  }

  private static func write(_ writer: (OpaquePointer) -> Int32) -> [UInt8]? {
    ERR_clear_error()
    // The BIO is ours, freed once, and gives no more bytes than it is asked for.
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
    defer { unsafe BIO_free(bio) }
    guard unsafe writer(bio) == 1 else { return nil }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe BIO_read(bio, &chunk, Int32(chunk.count))
      guard count > 0 else { return bytes }
      bytes += chunk[..<Int(count)]
    }
  }

  // MARK: New ones

  package enum New: Sendable {
    case p256, p384, ed25519
    case rsa(bits: Int32)
  }

  /// A new pair of keys. Nil, with OpenSSL's error queue saying why, when none can be made.
  package convenience init?(new kind: New) {
    ERR_clear_error()
    guard let key = unsafe Self.make(kind) else { return nil }
    unsafe self.init(taking: key, isPrivate: true)
  }

  private static func make(_ kind: New) -> OpaquePointer? {
    let name =
      switch kind {
      case .p256, .p384: "EC"
      case .ed25519: "ED25519"
      case .rsa: "RSA"
      }
    // The context is ours, and freed once; the key is the caller's.
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, name, nil) else { return nil }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    guard unsafe EVP_PKEY_keygen_init(context) == 1 else { return nil }
    switch kind {
    case .p256: guard unsafe EVP_PKEY_CTX_set_group_name(context, "prime256v1") == 1 else { return nil }
    case .p384: guard unsafe EVP_PKEY_CTX_set_group_name(context, "secp384r1") == 1 else { return nil }
    case .rsa(let bits): guard unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) == 1 else { return nil }
    case .ed25519: break
    }
    var key: OpaquePointer?
    return unsafe EVP_PKEY_generate(context, &key) == 1 ? key : nil
  }
}

/// Answers OpenSSL's question for a passphrase with none: it would ask the terminal.
private let refusePassphrase: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
  _, _, _, _ in -1
}
