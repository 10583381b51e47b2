import COpenSSL

/// The numbers of a public key, made into an `EVP_PKEY`.
///
/// OpenSSL's builder keeps addresses until the key is made. What they are of is held here: `texts` and `numbers`, each made by this
/// object and freed once, when it goes.
@safe final class PublicKeyBuilder {
  private let builder: OpaquePointer
  private var texts: [UnsafeMutableBufferPointer<CChar>] = unsafe []
  private var numbers: [OpaquePointer] = unsafe []
  /// Whether OpenSSL has taken all that it was given.
  private var isComplete = true

  /// `EVP_PKEY_PUBLIC_KEY`, a macro that Swift does not see: a public key (2) with its domain (4) and other (128) parameters.
  private static let publicKeySelection: Int32 = 0x86

  init?() {
    guard let builder = unsafe OSSL_PARAM_BLD_new() else { return nil }
    unsafe self.builder = builder
  }

  deinit {
    unsafe OSSL_PARAM_BLD_free(builder)
    unsafe numbers.forEach { unsafe BN_free($0) }
    unsafe texts.forEach { unsafe $0.deallocate() }
  }

  func add(_ name: String, text: String) {
    let (key, value) = unsafe (keep(Array(name.utf8CString)), keep(Array(text.utf8CString)))
    // Both end with a zero byte.
    note(unsafe OSSL_PARAM_BLD_push_utf8_string(builder, key.baseAddress, value.baseAddress, 0))
  }

  func add(_ name: String, octets: [UInt8]) {
    let (key, value) = unsafe (keep(Array(name.utf8CString)), keep(octets.map { CChar(bitPattern: $0) }))
    // As many bytes as it is told.
    note(unsafe OSSL_PARAM_BLD_push_octet_string(builder, key.baseAddress, value.baseAddress, value.count))
  }

  /// - Parameter number: big-endian.
  func add(_ name: String, number: [UInt8]) {
    // As many bytes as it is told.
    guard let value = unsafe BN_bin2bn(number, Int32(clamping: number.count), nil) else { return isComplete = false }
    unsafe numbers.append(value)
    let key = unsafe keep(Array(name.utf8CString))
    note(unsafe OSSL_PARAM_BLD_push_BN(builder, key.baseAddress, value))
  }

  private func note(_ result: Int32) { if result != 1 { isComplete = false } }

  /// A copy that stays where it is for as long as this object lives.
  private func keep(_ bytes: [CChar]) -> UnsafeMutableBufferPointer<CChar> {
    let copy = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count)
    _ = unsafe copy.initialize(from: bytes)
    unsafe texts.append(copy)
    return unsafe copy
  }

  /// A public key of `type` ("EC" or "RSA"), which is the caller's. Nil, with OpenSSL's error queue saying why, when the fields make
  /// none or the key does not pass OpenSSL's checks.
  @unsafe func makeKey(_ type: String) -> OpaquePointer? {
    // Parameters and context are ours, and freed once.
    guard isComplete, let parameters = unsafe OSSL_PARAM_BLD_to_param(builder) else { return nil }
    defer { unsafe OSSL_PARAM_free(parameters) }
    guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, type, nil) else { return nil }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard unsafe EVP_PKEY_fromdata_init(context) == 1,
      unsafe EVP_PKEY_fromdata(context, &key, Self.publicKeySelection, parameters) == 1, let key = unsafe key
    else { return nil }
    guard unsafe Self.isValid(key) else {
      unsafe EVP_PKEY_free(key)
      return nil
    }
    return unsafe key
  }

  /// For EC: the point is on the curve and has its order. For RSA: the modulus is odd, composite and without small factors.
  private static func isValid(_ key: OpaquePointer) -> Bool {
    // The caller has the key; the context is ours.
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return false }
    defer { unsafe EVP_PKEY_CTX_free(context) }
    return unsafe EVP_PKEY_public_check(context) == 1
  }
}
