import COpenSSL
import Testing

@testable import TLS

struct CertificateTests {
  let pki: TestPKI
  init() throws { pki = try TestPKI() }

  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  @Test func `A chain knows its names, its end and its thumbprint`() throws {
    let leaf = TestAuthority.issue(
      TestProfile(names: "DNS:API.example.com,DNS:*.b.example,URI:spiffe://mesh/a", to: 1000), by: pki.root)
    let chain = try pki.chain(of: leaf)
    #expect(chain.dnsNames == ["api.example.com", "*.b.example"])
    #expect(chain.uris == ["spiffe://mesh/a"])
    #expect(!chain.isExpired(at: chain.notAfter))
    #expect(chain.isExpired(at: chain.notAfter + 1))
    let now = Int64(time(nil))
    #expect(abs(chain.notAfter - now - 1000) <= 5)

    var der: UnsafeMutablePointer<UInt8>?
    let count = i2d_X509(leaf.certificate, &der)
    defer { CRYPTO_free(der, #file, #line) }
    #expect(chain.thumbprint == sha256(Array(UnsafeBufferPointer(start: der, count: Int(count)))))
  }

  @Test func `The thumbprint's text is its base64url without padding`() throws {
    let chain = try pki.server()
    var padded = [UInt8](repeating: 0, count: 45)
    EVP_EncodeBlock(&padded, chain.thumbprint, 32)
    let expected = String(decoding: padded[0..<43], as: UTF8.self)
      .replacing("+", with: "-").replacing("/", with: "_")
    #expect(String(decoding: chain.thumbprintText, as: UTF8.self) == expected)
  }

  @Test func `A missing file is named`() {
    let path = pki.directory.path + "/absent.crt"
    #expect(message { _ = try CertificateChain(certificate: path, key: path) } == "\(path): No such file or directory")
    #expect(message { _ = try CertificateAuthorities(path: path) } == "\(path): No such file or directory")
  }

  @Test func `A file without a certificate is refused`() {
    for (name, contents) in [("empty.crt", ""), ("words.crt", "no certificate here\n")] {
      let path = pki.directory.write(name, Array(contents.utf8))
      #expect(message { _ = try CertificateAuthorities(path: path) } == "\(path): holds no PEM certificate")
      #expect(message { _ = try CertificateChain(certificate: path, key: path) } == "\(path): holds no PEM certificate")
    }
    let directory = message { _ = try CertificateAuthorities(path: pki.directory.path) }
    #expect(directory == "\(pki.directory.path): is no regular file")
    let pipe = pki.directory.path + "/pipe.crt"
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(message { _ = try CertificateAuthorities(path: pipe) } == "\(pipe): is no regular file")
    #expect(message { _ = try CertificateAuthorities(path: "/dev/zero") } == "/dev/zero: is no regular file")
  }

  @Test func `A damaged certificate is refused, even behind a good one`() {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    let path = pki.directory.write("damaged.crt", pki.root.certificatePEM + Array(damaged.utf8))
    #expect(message { _ = try CertificateAuthorities(path: path) }.hasPrefix("\(path): certificate 2 is damaged"))
    let cut = pki.directory.write("cut.crt", Array(pki.root.certificatePEM.dropLast(60)))
    #expect(message { _ = try CertificateAuthorities(path: cut) }.hasPrefix("\(cut): certificate 1 is damaged"))
  }

  @Test func `A key that is another certificate's is refused`() {
    let one = TestAuthority.issue(TestProfile(), by: pki.root)
    let other = TestAuthority.issue(TestProfile(), by: pki.root)
    let certificate = pki.directory.write("one.crt", one.certificatePEM)
    let key = pki.directory.write("other.key", other.keyPEM)
    #expect(
      message { _ = try CertificateChain(certificate: certificate, key: key) }
        == "\(key): is not the key of the certificate in \(certificate)")
  }

  @Test func `An encrypted key is refused without asking for its passphrase`() {
    let one = TestAuthority.issue(TestProfile(), by: pki.root)
    let certificate = pki.directory.write("e.crt", one.certificatePEM)
    let key = pki.directory.write("e.key", one.encryptedKeyPEM(passphrase: "secret"))
    #expect(message { _ = try CertificateChain(certificate: certificate, key: key) }.contains("private key is encrypted"))
  }

  @Test func `A key file without a key is refused`() {
    let one = TestAuthority.issue(TestProfile(), by: pki.root)
    let certificate = pki.directory.write("n.crt", one.certificatePEM)
    #expect(
      message { _ = try CertificateChain(certificate: certificate, key: certificate) }
        == "\(certificate): holds no PEM private key that can be read")
  }

  @Test func `Loading leaves the error queue empty`() throws {
    _ = try pki.server()
    _ = message { _ = try CertificateAuthorities(path: pki.directory.write("x.crt", [])) }
    #expect(ERR_peek_error() == 0)
  }

  @Test func `The same authorities in another order have the same fingerprint`() throws {
    let other = TestAuthority.root("Other")
    let one = pki.directory.write("1.crt", pki.root.certificatePEM + other.certificatePEM)
    let two = pki.directory.write("2.crt", other.certificatePEM + pki.root.certificatePEM)
    let first = try CertificateAuthorities(path: one)
    #expect(try CertificateAuthorities(path: two).fingerprint == first.fingerprint)
    #expect(pki.authorities.fingerprint != first.fingerprint)
  }
}
