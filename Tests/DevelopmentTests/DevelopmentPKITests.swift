import Development
import Foundation
import Testing

@Suite("Development PKI")
struct DevelopmentPKITests {
  let directory: TemporaryDirectory
  let pki: DevelopmentPKI

  init() throws {
    directory = try TemporaryDirectory()
    pki = DevelopmentPKI(directory: directory.path + "/Certs")
  }

  @Test("makes every file it lists, private keys readable by the owner alone")
  func makesEveryFile() throws {
    #expect(try pki.make() == .made)
    for item in DevelopmentPKI.items {
      let attributes = try FileManager.default.attributesOfItem(atPath: pki.path(item.file))
      let mode = try #require(attributes[.posixPermissions] as? NSNumber).intValue
      #expect((mode & 0o077 == 0) == item.file.hasSuffix(".key"), "\(item.file) has mode \(String(mode, radix: 8))")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: pki.directory).count == DevelopmentPKI.items.count)
  }

  @Test("leaves a complete set as it is, byte for byte")
  func leavesACompleteSet() throws {
    _ = try pki.make()
    let before = try DevelopmentPKI.items.map { try Data(contentsOf: URL(fileURLWithPath: pki.path($0.file))) }
    #expect(try pki.make() == .complete)
    let after = try DevelopmentPKI.items.map { try Data(contentsOf: URL(fileURLWithPath: pki.path($0.file))) }
    #expect(before == after)
  }

  @Test("refuses a partial set, names what is missing and changes nothing")
  func refusesAPartialSet() throws {
    _ = try pki.make()
    try FileManager.default.removeItem(atPath: pki.path("edge.key"))
    let error = #expect(throws: DevelopmentError.self) { try pki.make() }
    #expect(error?.description.contains("Missing: edge.key.") == true)
    #expect(!FileManager.default.fileExists(atPath: pki.path("edge.key")))
  }

  @Test(
    "each certificate verifies against its own authority for its own purpose, and against nothing else",
    arguments: [
      ("edge.crt", "public-ca.crt", "sslserver", true),
      ("edge.crt", "mesh-ca.crt", "sslserver", false),
      ("edge.crt", "public-ca.crt", "sslclient", false),
      ("gateway.crt", "mesh-ca.crt", "sslclient", true),
      ("gateway.crt", "mesh-ca.crt", "sslserver", false),
      ("gateway.crt", "public-ca.crt", "sslclient", false),
      ("orders.crt", "mesh-ca.crt", "sslserver", true),
      ("users.crt", "mesh-ca.crt", "sslserver", true),
    ])
  func verifies(leaf: String, authority: String, purpose: String, accepted: Bool) throws {
    _ = try pki.make()
    let result = try run([
      "openssl", "verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", purpose, "-CAfile", pki.path(authority),
      pki.path(leaf),
    ])
    #expect((result.status == 0) == accepted, "\(result.output)")
  }

  @Test("backends carry their SPIFFE identity and their names")
  func names() throws {
    _ = try pki.make()
    let text = try run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", pki.path("orders.crt")]).output
    for name in [
      "URI:spiffe://gatehouse.internal/orders", "DNS:orders.internal", "DNS:orders", "DNS:localhost", "IP Address:127.0.0.1",
    ] {
      #expect(text.contains(name), "\(text)")
    }
  }

  @Test("one more backend is signed by the mesh authority that is there, once")
  func addsABackend() throws {
    _ = try pki.make()
    try pki.addBackend("payments", dnsNames: ["payments.example.com"])
    let result = try run([
      "openssl", "verify", "-x509_strict", "-no-CApath", "-CAfile", pki.path("mesh-ca.crt"), "-verify_hostname",
      "payments.example.com", pki.path("payments.crt"),
    ])
    #expect(result.status == 0, "\(result.output)")
    #expect(throws: DevelopmentError.self) { try pki.addBackend("payments") }
  }

  @Test(
    "a name that would add a second entry to the certificate is refused", arguments: ["a,URI:spiffe://x/y", "a\nb", "", "a=b"])
  func refusesNames(name: String) throws {
    #expect(throws: DevelopmentError.self) { try CertificateProfile(commonName: "x", dnsNames: [name], usage: .server) }
  }

  @Test("the public JWK holds the key's point, base64url without padding")
  func publicKey() throws {
    _ = try pki.make()
    let data = try Data(contentsOf: URL(fileURLWithPath: pki.path("idp.jwks.json")))
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: [[String: String]]])
    let key = try #require(object["keys"]?.first)
    #expect(key["kid"] == "development" && key["alg"] == "ES256" && key["d"] == nil)
    #expect(key["x"]?.count == 43 && key["y"]?.count == 43)
    let text = try run(["openssl", "pkey", "-in", pki.path("idp.key"), "-pubout", "-outform", "DER"])
    #expect(text.status == 0)
  }
}
