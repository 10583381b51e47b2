import CLinux
import COpenSSL

/// Reading PEM files. Every error names the file.
enum PEMFile {
  private static let maximumBytes: Int64 = 16 << 20

  /// The certificates of `path` in the order they stand, at least one; the caller frees each with `X509_free`.
  static func certificates(_ path: String) throws(TLSConfigurationError) -> [OpaquePointer] {
    let file = try open(path)
    defer { BIO_free(file) }
    var certificates: [OpaquePointer] = []
    while let certificate = PEM_read_bio_X509(file, nil, refusePassphrase, nil) { certificates.append(certificate) }
    // At the end of the file the queue holds "no start line"; anything else is a damaged block.
    let last = ERR_peek_last_error()
    let ended = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE
    let errors = OpenSSLError.drain()
    if !ended {
      certificates.forEach { X509_free($0) }
      throw TLSConfigurationError("\(path): certificate \(certificates.count + 1) is damaged (\(errors))")
    }
    if certificates.isEmpty { throw TLSConfigurationError("\(path): holds no PEM certificate") }
    return certificates
  }

  /// The private key of `path`; the caller frees it with `EVP_PKEY_free`. Encrypted keys are refused: nobody is there to
  /// type the passphrase.
  static func privateKey(_ path: String) throws(TLSConfigurationError) -> OpaquePointer {
    let file = try open(path)
    defer { BIO_free(file) }
    var asked: Int32 = 0
    let key = withUnsafeMutablePointer(to: &asked) { PEM_read_bio_PrivateKey(file, nil, refusePassphrase, $0) }
    if let key {
      ERR_clear_error()
      return key
    }
    // "no start line" from the PEM reader, or "unsupported" from the decoders when there are PEM blocks, none of them a key.
    let last = ERR_peek_last_error()
    let library = ERR_GET_LIB(last)
    let absent =
      (library == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE)
      || (library == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(last) == ERR_R_UNSUPPORTED)
    let errors = OpenSSLError.drain()
    if asked != 0 {
      throw TLSConfigurationError("\(path): the private key is encrypted; store it unencrypted, readable by the gateway alone")
    }
    if absent { throw TLSConfigurationError("\(path): holds no PEM private key that can be read") }
    throw TLSConfigurationError("\(path): the private key is damaged (\(errors))")
  }

  private static func open(_ path: String) throws(TLSConfigurationError) -> OpaquePointer {
    ERR_clear_error()
    guard let file = gh_BIO_new_regular_file(path, maximumBytes) else {
      let code = gh_errno()
      ERR_clear_error()
      switch code {
      case ESPIPE: throw TLSConfigurationError("\(path): is no regular file")
      case EFBIG: throw TLSConfigurationError("\(path): has more than \(maximumBytes >> 20) MiB")
      default: throw TLSConfigurationError("\(path): \(String(cString: strerror(code)))")
      }
    }
    return file
  }

  /// OpenSSL's default asks on the terminal. Notes in `userData`, an `Int32`, that it was asked.
  private static let refusePassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = { _, _, _, userData in
      userData?.storeBytes(of: 1, as: Int32.self)
      return -1
    }
}
