import COpenSSL
import Tokens

/// A private key that certificates are made for and signed with: a new P-256 one, or one read back from its PEM file.
final class DevelopmentKey {
  let pointer: OpaquePointer
  /// PKCS #8, not encrypted.
  let pem: [UInt8]

  /// Makes a new key.
  convenience init() throws { try self.init(pem: KeyGeneration.makePEM(.es256), name: "a new key") }

  /// Reads an unencrypted private key.
  convenience init(path: String) throws { try self.init(pem: TextFile.read(path), name: path) }

  private init(pem: [UInt8], name: String) throws {
    ERR_clear_error()
    guard let input = BIO_new_mem_buf(pem, Int32(clamping: pem.count)) else { throw DevelopmentError.openSSL("out of memory") }
    defer { BIO_free(input) }
    // The callback answers "no passphrase": without it OpenSSL would ask on the terminal.
    guard let key = PEM_read_bio_PrivateKey(input, nil, { _, _, _, _ in -1 }, nil) else {
      throw DevelopmentError.openSSL("\(name) holds no usable private key")
    }
    pointer = key
    self.pem = pem
  }

  deinit { EVP_PKEY_free(pointer) }
}
