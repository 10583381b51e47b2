import COpenSSL

/// A small certificate authority: a key, a self-signed certificate, and the leaves it signs.
///
/// It keeps to RFC 5280 as strictly as a real one would, so that what works here works against a real one.
final class CertificateIssuer {
  let key: DevelopmentKey
  private let certificate: OpaquePointer

  /// Makes a new authority, good for ten years.
  init(commonName: String) throws {
    key = try DevelopmentKey()
    certificate = try Self.blank(commonName: commonName, subjectKey: key, issuer: nil, days: 3650)
    try Self.add(NID_basic_constraints, "critical,CA:TRUE,pathlen:0", to: certificate, issuer: certificate)
    try Self.add(NID_key_usage, "critical,keyCertSign,cRLSign", to: certificate, issuer: certificate)
    try Self.add(NID_subject_key_identifier, "hash", to: certificate, issuer: certificate)
    try Self.sign(certificate, with: key)
  }

  /// Reads an authority back from its two PEM files.
  init(certificatePath: String, keyPath: String) throws {
    key = try DevelopmentKey(path: keyPath)
    ERR_clear_error()
    guard let input = BIO_new_file(certificatePath, "r") else { throw DevelopmentError.openSSL("cannot read \(certificatePath)") }
    defer { BIO_free(input) }
    guard let certificate = PEM_read_bio_X509(input, nil, nil, nil) else {
      throw DevelopmentError.openSSL("\(certificatePath) holds no certificate")
    }
    self.certificate = certificate
    guard X509_check_private_key(certificate, key.pointer) == 1 else {
      throw DevelopmentError.openSSL("\(keyPath) is not the key of \(certificatePath)")
    }
  }

  deinit { X509_free(certificate) }

  /// The authority's own certificate: what others are given to trust.
  func pem() throws -> [UInt8] { try Self.text(of: certificate) }

  /// Signs a certificate for `subjectKey`, in PEM.
  func issue(_ profile: CertificateProfile, for subjectKey: DevelopmentKey) throws -> [UInt8] {
    let leaf = try Self.blank(commonName: profile.commonName, subjectKey: subjectKey, issuer: certificate, days: profile.days)
    defer { X509_free(leaf) }
    let usage =
      switch profile.usage {
      case .server: "serverAuth"
      case .client: "clientAuth"
      case .serverAndClient: "serverAuth,clientAuth"
      }
    try Self.add(NID_basic_constraints, "critical,CA:FALSE", to: leaf, issuer: certificate)
    try Self.add(NID_key_usage, "critical,digitalSignature", to: leaf, issuer: certificate)
    try Self.add(NID_ext_key_usage, usage, to: leaf, issuer: certificate)
    try Self.add(NID_subject_alt_name, profile.subjectAlternativeNames, to: leaf, issuer: certificate)
    try Self.add(NID_subject_key_identifier, "hash", to: leaf, issuer: certificate)
    try Self.add(NID_authority_key_identifier, "keyid:always", to: leaf, issuer: certificate)
    try Self.sign(leaf, with: key)
    return try Self.text(of: leaf)
  }

  /// A certificate with everything but extensions and signature. `issuer` nil is self-signed.
  private static func blank(commonName: String, subjectKey: DevelopmentKey, issuer: OpaquePointer?, days: Int) throws
    -> OpaquePointer
  {
    ERR_clear_error()
    guard let certificate = X509_new() else { throw DevelopmentError.openSSL("out of memory") }
    // 159 random bits: the most that stay positive in the 20 bytes RFC 5280 section 4.1.2.2 allows.
    let serial = BN_new()
    defer { BN_free(serial) }
    // Five minutes back, for a machine whose clock is a little behind.
    let made =
      X509_set_version(certificate, 2) == 1
      && BN_rand(serial, 159, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1
      && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != nil
      && X509_gmtime_adj(X509_getm_notBefore(certificate), -300) != nil
      && X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86_400) != nil
      && X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "O", MBSTRING_UTF8, "Gatehouse development", -1, -1, 0)
        == 1
      && X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, commonName, -1, -1, 0) == 1
      && X509_set_issuer_name(certificate, X509_get_subject_name(issuer ?? certificate)) == 1
      && X509_set_pubkey(certificate, subjectKey.pointer) == 1
    guard made else {
      X509_free(certificate)
      throw DevelopmentError.openSSL("cannot make the certificate \(commonName)")
    }
    return certificate
  }

  private static func add(_ extensionID: Int32, _ value: String, to certificate: OpaquePointer, issuer: OpaquePointer) throws {
    ERR_clear_error()
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer, certificate, nil, nil, 0)
    guard let made = X509V3_EXT_conf_nid(nil, &context, extensionID, value) else {
      throw DevelopmentError.openSSL("cannot write \"\(value)\" into a certificate")
    }
    defer { X509_EXTENSION_free(made) }
    guard X509_add_ext(certificate, made, -1) == 1 else { throw DevelopmentError.openSSL("cannot extend a certificate") }
  }

  private static func text(of certificate: OpaquePointer) throws -> [UInt8] {
    ERR_clear_error()
    guard let output = BIO_new(BIO_s_mem()) else { throw DevelopmentError.openSSL("out of memory") }
    defer { BIO_free(output) }
    guard PEM_write_bio_X509(output, certificate) == 1 else { throw DevelopmentError.openSSL("cannot write a certificate") }
    var text = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
    let count = BIO_read(output, &text, Int32(clamping: text.count))
    guard count == text.count else { throw DevelopmentError.openSSL("cannot write a certificate") }
    return text
  }

  private static func sign(_ certificate: OpaquePointer, with key: DevelopmentKey) throws {
    ERR_clear_error()
    guard X509_sign(certificate, key.pointer, EVP_sha256()) > 0 else {
      throw DevelopmentError.openSSL("cannot sign a certificate")
    }
  }
}
