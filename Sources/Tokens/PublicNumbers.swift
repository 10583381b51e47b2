import COpenSSL

/// The numbers of a public key, made into an `EVP_PKEY`.
enum PublicNumbers {
  enum Field {
    case text(String)
    case octets([UInt8])
    /// Big-endian.
    case number([UInt8])
  }

  /// `EVP_PKEY_PUBLIC_KEY`, a macro that Swift does not see: a public key (2) with its domain (4) and other (128) parameters.
  private static let publicKeySelection: Int32 = 0x86

  /// A public key of `type` ("EC" or "RSA"). Nil, with OpenSSL's error queue saying why, when the fields make none or the key
  /// does not pass OpenSSL's checks.
  static func makeKey(_ type: String, _ fields: [(name: String, value: Field)]) -> OpaquePointer? {
    guard let builder = OSSL_PARAM_BLD_new() else { return nil }
    defer { OSSL_PARAM_BLD_free(builder) }
    // The builder keeps pointers until the parameters are made, so what they point to must live until then.
    var numbers: [OpaquePointer] = []
    var octets: [UnsafeMutableBufferPointer<UInt8>] = []
    var texts: [UnsafeMutableBufferPointer<CChar>] = []
    defer {
      for number in numbers { BN_free(number) }
      for buffer in octets { buffer.deallocate() }
      for buffer in texts { buffer.deallocate() }
    }
    for (name, value) in fields {
      let pushed: Int32
      let key = UnsafeMutableBufferPointer<CChar>.allocate(capacity: name.utf8.count + 1)
      _ = key.initialize(from: name.utf8CString)
      texts.append(key)
      switch value {
      case .text(let text):
        let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: text.utf8.count + 1)
        _ = buffer.initialize(from: text.utf8CString)
        texts.append(buffer)
        pushed = OSSL_PARAM_BLD_push_utf8_string(builder, key.baseAddress, buffer.baseAddress, 0)
      case .octets(let bytes):
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = buffer.initialize(from: bytes)
        octets.append(buffer)
        pushed = OSSL_PARAM_BLD_push_octet_string(builder, key.baseAddress, buffer.baseAddress, buffer.count)
      case .number(let bytes):
        guard let number = BN_bin2bn(bytes, Int32(clamping: bytes.count), nil) else { return nil }
        numbers.append(number)
        pushed = OSSL_PARAM_BLD_push_BN(builder, key.baseAddress, number)
      }
      guard pushed == 1 else { return nil }
    }
    guard let parameters = OSSL_PARAM_BLD_to_param(builder) else { return nil }
    defer { OSSL_PARAM_free(parameters) }
    return makeKey(type, parameters)
  }

  private static func makeKey(_ type: String, _ parameters: UnsafeMutablePointer<OSSL_PARAM>) -> OpaquePointer? {
    guard let context = EVP_PKEY_CTX_new_from_name(nil, type, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_fromdata_init(context) == 1,
      EVP_PKEY_fromdata(context, &key, publicKeySelection, parameters) == 1, let key
    else { return nil }
    guard isValid(key) else {
      EVP_PKEY_free(key)
      return nil
    }
    return key
  }

  /// For EC: the point is on the curve and has its order. For RSA: the modulus is odd, composite and without small factors.
  private static func isValid(_ key: OpaquePointer) -> Bool {
    guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return false }
    defer { EVP_PKEY_CTX_free(context) }
    return EVP_PKEY_public_check(context) == 1
  }
}
