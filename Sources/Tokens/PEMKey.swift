import COpenSSL
import JSON

/// A key out of a PEM file, private or public.
package final class PEMKey {
  let pointer: OpaquePointer
  package let isPrivate: Bool

  private init(pointer: OpaquePointer, isPrivate: Bool) {
    self.pointer = pointer
    self.isPrivate = isPrivate
  }

  deinit { EVP_PKEY_free(pointer) }

  /// - Throws: when `pem` holds no private key, or an encrypted one: no passphrase is ever asked for.
  package convenience init(privateKey pem: [UInt8]) throws(KeySetError) {
    guard let key = Self.read(pem, { PEM_read_bio_PrivateKey($0, nil, refusePassphrase, nil) }) else {
      throw KeySetError("no unencrypted private key in PEM: \(takeOpenSSLError())")
    }
    self.init(pointer: key, isPrivate: true)
  }

  /// Takes a private or a public key.
  package convenience init(_ pem: [UInt8]) throws(KeySetError) {
    if let key = Self.read(pem, { PEM_read_bio_PrivateKey($0, nil, refusePassphrase, nil) }) {
      self.init(pointer: key, isPrivate: true)
    } else if let key = Self.read(pem, { PEM_read_bio_PUBKEY($0, nil, refusePassphrase, nil) }) {
      self.init(pointer: key, isPrivate: false)
    } else {
      throw KeySetError("no key in PEM: \(takeOpenSSLError())")
    }
  }

  private static func read(_ pem: [UInt8], _ reader: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
    ERR_clear_error()
    return pem.withUnsafeBytes { bytes in
      guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else { return nil }
      defer { BIO_free(bio) }
      return reader(bio)
    }
  }

  /// The algorithms that a key of this kind signs with; the first is the usual one.
  package var algorithms: [JOSEAlgorithm] {
    JOSEAlgorithm.allCases.filter { isFit(for: $0) }
  }

  package func isFit(for algorithm: JOSEAlgorithm) -> Bool {
    switch algorithm {
    case .es256: group == "prime256v1"
    case .es384: group == "secp384r1"
    case .es512: group == "secp521r1"
    case .edDSA: EVP_PKEY_is_a(pointer, "ED25519") == 1
    case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: EVP_PKEY_is_a(pointer, "RSA") == 1
    case .hs256, .hs384, .hs512: false
    }
  }

  /// OpenSSL's name of the curve; nil for other kinds of key.
  private var group: String? {
    guard EVP_PKEY_is_a(pointer, "EC") == 1 else { return nil }
    var name = [UInt8](repeating: 0, count: 64)
    var count = 0
    let found = name.withUnsafeMutableBytes {
      EVP_PKEY_get_group_name(pointer, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, &count)
    }
    return found == 1 ? String(decoding: name[..<min(count, 64)], as: UTF8.self) : nil
  }

  /// The public half as a JWK with `use: sig`. `kid` defaults to the thumbprint (RFC 7638), `algorithm` is left out when nil.
  package func publicJWK(kid: String? = nil, algorithm: JOSEAlgorithm? = nil) throws(KeySetError) -> JSONValue {
    var members: [JSONMember] = []
    if let group {
      let (curve, width) =
        switch group {
        case "prime256v1": ("P-256", 32)
        case "secp384r1": ("P-384", 48)
        case "secp521r1": ("P-521", 66)
        default: throw KeySetError("the curve \(group) is not supported")
        }
      members.append(JSONMember("kty", "EC"))
      members.append(JSONMember("crv", JSONValue(text: curve)))
      members.append(JSONMember("x", .string(Base64URL.encode(try number("qx", width: width)))))
      members.append(JSONMember("y", .string(Base64URL.encode(try number("qy", width: width)))))
    } else if EVP_PKEY_is_a(pointer, "RSA") == 1 {
      members.append(JSONMember("kty", "RSA"))
      members.append(JSONMember("n", .string(Base64URL.encode(try number("n")))))
      members.append(JSONMember("e", .string(Base64URL.encode(try number("e")))))
    } else if EVP_PKEY_is_a(pointer, "ED25519") == 1 {
      var raw = [UInt8](repeating: 0, count: 32)
      var count = 32
      guard EVP_PKEY_get_raw_public_key(pointer, &raw, &count) == 1, count == 32 else {
        throw KeySetError("OpenSSL gives no public key: \(takeOpenSSLError())")
      }
      members.append(JSONMember("kty", "OKP"))
      members.append(JSONMember("crv", "Ed25519"))
      members.append(JSONMember("x", .string(Base64URL.encode(raw))))
    } else {
      throw KeySetError("only EC, RSA and Ed25519 keys are supported")
    }
    if let algorithm { members.append(JSONMember("alg", JSONValue(text: "\(algorithm.name)"))) }
    let verification = try VerificationKey.parse(.object(members))
    let name = kid.map { Array($0.utf8) } ?? Base64URL.encode(verification.thumbprint)
    members.insert(JSONMember(name: Array("kid".utf8), value: .string(name)), at: 1)
    members.append(JSONMember("use", "sig"))
    return .object(members)
  }

  /// A number of the key, big-endian, at `width` bytes or as short as it is.
  private func number(_ name: String, width: Int? = nil) throws(KeySetError) -> [UInt8] {
    var number: OpaquePointer?
    guard EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number else {
      throw KeySetError("OpenSSL gives no \(name): \(takeOpenSSLError())")
    }
    defer { BN_free(number) }
    let count = width ?? Int((BN_num_bits(number) + 7) / 8)
    var bytes = [UInt8](repeating: 0, count: count)
    guard BN_bn2binpad(number, &bytes, Int32(count)) == Int32(count) else { throw KeySetError("the key's \(name) is too long") }
    return bytes
  }

  /// The public half in PEM, as libjwt takes it.
  package func publicPEM() throws(KeySetError) -> [UInt8] {
    try Self.write { PEM_write_bio_PUBKEY($0, pointer) }
  }

  static func write(_ writer: (OpaquePointer) -> Int32) throws(KeySetError) -> [UInt8] {
    ERR_clear_error()
    guard let bio = BIO_new(BIO_s_mem()) else { throw KeySetError("out of memory") }
    defer { BIO_free(bio) }
    guard writer(bio) == 1 else { throw KeySetError("the key cannot be written: \(takeOpenSSLError())") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = BIO_read(bio, &chunk, Int32(chunk.count))
      guard count > 0 else { return bytes }
      bytes += chunk[..<Int(count)]
    }
  }
}

/// Answers OpenSSL's question for a passphrase with none: it would ask the terminal.
private let refusePassphrase: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
  _, _, _, _ in -1
}
