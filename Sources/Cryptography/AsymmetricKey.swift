import Bytes
import COpenSSL

/// A pair of keys, or the public half of one.
///
/// Nothing changes it once it is made, and OpenSSL 3 lets threads share an `EVP_PKEY` that nobody changes.
@safe package final class AsymmetricKey: @unchecked Sendable {
  package enum Kind: Equatable, Sendable {
    case p256, p384, p521
    /// By OpenSSL's name of the curve.
    case otherCurve(String)
    case rsa, ed25519, other
  }

  /// Whether the private half is there.
  package let isPrivate: Bool
  package let kind: Kind
  /// This object's own; it goes with it.
  let pointer: OpaquePointer

  /// - Parameter pointer: nobody else's from here on.
  @unsafe init(taking pointer: OpaquePointer, isPrivate: Bool) {
    unsafe self.pointer = pointer
    self.isPrivate = isPrivate
    kind = unsafe Self.kind(of: pointer)
  }

  // Whoever uses it holds this object.
  deinit { unsafe EVP_PKEY_free(pointer) }

  private static func kind(of key: OpaquePointer) -> Kind {
    // The caller has the key.
    if unsafe EVP_PKEY_is_a(key, "RSA") == 1 { return .rsa }
    if unsafe EVP_PKEY_is_a(key, "ED25519") == 1 { return .ed25519 }
    guard unsafe EVP_PKEY_is_a(key, "EC") == 1 else { return .other }
    var name = [CChar](repeating: 0, count: 64)
    var count = 0
    // At most 64 characters are written, the zero behind them included.
    guard unsafe EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1 else { return .other }
    switch String(decoding: name.prefix(min(count, 63)).map { UInt8(bitPattern: $0) }, as: UTF8.self) {
    case "prime256v1": return .p256
    case "secp384r1": return .p384
    case "secp521r1": return .p521
    case let other: return .otherCurve(other)
    }
  }

  // MARK: Made of numbers

  /// A public key on a curve: `x` and `y` at the curve's full width, big-endian. Nil, with OpenSSL's error queue saying why, for a
  /// point that is not on the curve, and for other kinds.
  package convenience init?(_ kind: Kind, x: [UInt8], y: [UInt8]) {
    let (group, width): (String, Int)
    switch kind {
    case .p256: (group, width) = ("prime256v1", 32)
    case .p384: (group, width) = ("secp384r1", 48)
    case .p521: (group, width) = ("secp521r1", 66)
    case .otherCurve, .rsa, .ed25519, .other: return nil
    }
    ERR_clear_error()
    guard x.count == width, y.count == width, let builder = PublicKeyBuilder() else { return nil }
    builder.add("group", text: group)
    builder.add("pub", octets: [4] + x + y)
    // What is made is ours.
    guard let key = unsafe builder.makeKey("EC") else { return nil }
    unsafe self.init(taking: key, isPrivate: false)
  }

  /// A public RSA key: both numbers big-endian. Nil, with OpenSSL's error queue saying why, for numbers that cannot be those of one.
  package convenience init?(modulus: [UInt8], exponent: [UInt8]) {
    ERR_clear_error()
    guard let builder = PublicKeyBuilder() else { return nil }
    builder.add("n", number: modulus)
    builder.add("e", number: exponent)
    // What is made is ours.
    guard let key = unsafe builder.makeKey("RSA") else { return nil }
    unsafe self.init(taking: key, isPrivate: false)
  }

  /// A public Ed25519 key of 32 bytes.
  package convenience init?(ed25519 bytes: [UInt8]) {
    ERR_clear_error()
    // 32 bytes are there, and OpenSSL copies them.
    guard bytes.count == 32, let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, 32) else { return nil }
    unsafe self.init(taking: key, isPrivate: false)
  }

  // MARK: Numbers of it

  /// A number of the key by OpenSSL's name, big-endian, at `width` bytes or as short as it is. Nil when the key has none of that
  /// name, or it is longer.
  package func number(_ name: String, width: Int? = nil) -> [UInt8]? {
    var number: OpaquePointer?
    // The number is ours, and freed once.
    guard unsafe EVP_PKEY_get_bn_param(pointer, name, &number) == 1, let number = unsafe number else { return nil }
    defer { unsafe BN_free(number) }
    let count = unsafe width ?? Int((BN_num_bits(number) + 7) / 8)
    var bytes = [UInt8](repeating: 0, count: count)
    // OpenSSL writes `count` bytes, or refuses.
    return unsafe BN_bn2binpad(number, &bytes, Int32(count)) == Int32(count) ? bytes : nil
  }

  /// The 32 bytes of an Ed25519 key's public half.
  package func rawPublicKey() -> [UInt8]? {
    var raw = [UInt8](repeating: 0, count: 32)
    var count = raw.count
    // OpenSSL writes no more than `count` bytes.
    return unsafe EVP_PKEY_get_raw_public_key(pointer, &raw, &count) == 1 && count == 32 ? raw : nil
  }
}
