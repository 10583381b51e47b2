import CLinux
import COpenSSL
import Glibc

@testable import TLS

/// A key and a certificate made for one test.
final class TestCertificate: @unchecked Sendable {
  let key: OpaquePointer
  let certificate: OpaquePointer

  init(key: OpaquePointer, certificate: OpaquePointer) {
    self.key = key
    self.certificate = certificate
  }

  deinit {
    EVP_PKEY_free(key)
    X509_free(certificate)
  }

  var certificatePEM: [UInt8] { pem { PEM_write_bio_X509($0, certificate) } }
  var keyPEM: [UInt8] { pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) } }
  func encryptedKeyPEM(passphrase: String) -> [UInt8] {
    pem { bio in
      passphrase.withCString { text in
        let bytes = UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self)
        return PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), bytes, Int32(strlen(text)), nil, nil)
      }
    }
  }

  private func pem(_ write: (OpaquePointer?) -> Int32) -> [UInt8] {
    let bio = BIO_new(BIO_s_mem())
    defer { BIO_free(bio) }
    precondition(write(bio) == 1)
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = BIO_read(bio, &bytes, Int32(bytes.count))
    return Array(bytes[0..<Int(count)])
  }
}

/// What a certificate is to say. Times are seconds from now.
struct TestProfile {
  var commonName = "test"
  /// In `openssl.cnf` form: `DNS:a.example,URI:spiffe://x/y`.
  var names: String?
  var from = -3600
  var to = 86_400
  var isCA = false
  var purpose: String?
}

enum TestAuthority {
  /// A self-signed CA.
  static func root(_ name: String) -> TestCertificate {
    issue(TestProfile(commonName: name, isCA: true), by: nil)
  }

  static func issue(_ profile: TestProfile, by issuer: TestCertificate?) -> TestCertificate {
    let key = newKey()
    let certificate = X509_new()!
    precondition(X509_set_version(certificate, 2) == 1)
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...Int(Int32.max)))
    var now = time(nil)
    X509_time_adj_ex(X509_getm_notBefore(certificate), 0, profile.from, &now)
    X509_time_adj_ex(X509_getm_notAfter(certificate), 0, profile.to, &now)
    let subject = X509_get_subject_name(certificate)
    X509_NAME_add_entry_by_txt(subject, "CN", Int32(MBSTRING_UTF8), profile.commonName, -1, -1, 0)
    X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0.certificate) } ?? subject)
    precondition(X509_set_pubkey(certificate, key) == 1)
    add(NID_basic_constraints, profile.isCA ? "critical,CA:TRUE" : "critical,CA:FALSE", to: certificate)
    if profile.isCA { add(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign", to: certificate) }
    if let names = profile.names { add(NID_subject_alt_name, names, to: certificate) }
    if let purpose = profile.purpose { add(NID_ext_key_usage, purpose, to: certificate) }
    precondition(X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0)
    return TestCertificate(key: key, certificate: certificate)
  }

  private static func newKey() -> OpaquePointer {
    let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    precondition(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_group_name(context, "P-256") == 1)
    precondition(EVP_PKEY_generate(context, &key) == 1)
    return key!
  }

  private static func add(_ identifier: Int32, _ value: String, to certificate: OpaquePointer) {
    let one = X509V3_EXT_nconf_nid(nil, nil, identifier, value)
    precondition(one != nil, "bad extension \(value)")
    X509_add_ext(certificate, one, -1)
    X509_EXTENSION_free(one)
  }
}

/// A small PKI on disk: one CA for servers and clients of a test.
final class TestPKI: Sendable {
  let directory = TemporaryDirectory()
  let root: TestCertificate
  let authorities: CertificateAuthorities

  init(_ name: String = "Test CA") throws {
    _ = ignoreSIGPIPE
    root = TestAuthority.root(name)
    authorities = try CertificateAuthorities(path: directory.write("ca.crt", root.certificatePEM))
  }

  func chain(_ profile: TestProfile) throws -> CertificateChain {
    try chain(of: TestAuthority.issue(profile, by: root))
  }

  func chain(of leaf: TestCertificate, followedBy intermediates: [TestCertificate] = []) throws -> CertificateChain {
    let name = "\(UInt64.random(in: 0...UInt64.max))"
    let all = ([leaf] + intermediates).flatMap(\.certificatePEM)
    return try CertificateChain(
      certificate: directory.write(name + ".crt", all), key: directory.write(name + ".key", leaf.keyPEM))
  }

  func server(_ names: String = "DNS:server.example", to: Int = 86_400) throws -> CertificateChain {
    try chain(TestProfile(commonName: "server", names: names, to: to))
  }

  func client() throws -> CertificateChain {
    try chain(TestProfile(commonName: "client", names: "URI:spiffe://test/client"))
  }
}

/// The process that uses TLSConnection ignores SIGPIPE; so does this one.
let ignoreSIGPIPE: Bool = {
  signal(SIGPIPE, SIG_IGN)
  return true
}()
