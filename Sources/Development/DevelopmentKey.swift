import COpenSSL
import Tokens

/// A P-256 private key, made here or read back from a PEM file.
final class DevelopmentKey {
  let pointer: OpaquePointer

  /// Makes a new key.
  init() throws {
    ERR_clear_error()
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw DevelopmentError.openSSL("cannot make a key") }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1,
      EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
      EVP_PKEY_keygen(context, &key) == 1, let key
    else { throw DevelopmentError.openSSL("cannot make a P-256 key") }
    pointer = key
  }

  /// Reads an unencrypted private key.
  init(path: String) throws {
    ERR_clear_error()
    guard let input = BIO_new_file(path, "r") else { throw DevelopmentError.openSSL("cannot read \(path)") }
    defer { BIO_free(input) }
    // The callback answers "no passphrase": without it OpenSSL would ask on the terminal.
    guard let key = PEM_read_bio_PrivateKey(input, nil, { _, _, _, _ in -1 }, nil) else {
      throw DevelopmentError.openSSL("\(path) holds no usable private key")
    }
    pointer = key
  }

  deinit { EVP_PKEY_free(pointer) }

  /// PKCS #8, unencrypted: what `-----BEGIN PRIVATE KEY-----` stands for.
  func pem() throws -> String {
    try PEMText.write { PEM_write_bio_PKCS8PrivateKey($0, pointer, nil, nil, 0, nil, nil) }
  }

  /// A JWK Set (RFC 7517) of the public half, as one line of text.
  func publicJWKS(keyID: String) throws -> String {
    let x = try coordinate(OSSL_PKEY_PARAM_EC_PUB_X)
    let y = try coordinate(OSSL_PKEY_PARAM_EC_PUB_Y)
    return #"{"keys":[{"kty":"EC","use":"sig","alg":"ES256","kid":"\#(keyID)","crv":"P-256","x":"\#(x)","y":"\#(y)"}]}"# + "\n"
  }

  /// A coordinate of the public point: 32 bytes, leading zeros kept (RFC 7518 section 6.2.1.2), in base64url.
  private func coordinate(_ name: String) throws -> String {
    ERR_clear_error()
    var number: OpaquePointer?
    guard EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number else {
      throw DevelopmentError.openSSL("cannot read the public key")
    }
    defer { BN_free(number) }
    var bytes = [UInt8](repeating: 0, count: 32)
    guard BN_bn2binpad(number, &bytes, 32) == 32 else { throw DevelopmentError.openSSL("cannot read the public key") }
    return String(decoding: Base64URL.encode(bytes), as: UTF8.self)
  }
}

/// Text out of OpenSSL's PEM writers.
enum PEMText {
  /// Runs `body` on a memory BIO and returns what it wrote; `body` answers 1 on success, as OpenSSL does.
  static func write(_ body: (OpaquePointer) -> Int32) throws -> String {
    ERR_clear_error()
    guard let output = BIO_new(BIO_s_mem()) else { throw DevelopmentError.openSSL("out of memory") }
    defer { BIO_free(output) }
    guard body(output) == 1 else { throw DevelopmentError.openSSL("cannot write PEM") }
    var text: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = BIO_read(output, &piece, Int32(piece.count))
      if count <= 0 { break }
      text += piece[..<Int(count)]
    }
    return String(decoding: text, as: UTF8.self)
  }
}
