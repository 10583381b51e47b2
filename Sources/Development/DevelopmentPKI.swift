import CLinux
import Tokens

/// The keys and certificates that a gateway on a developer's machine needs, in one directory.
///
/// Two authorities that know nothing of each other, as in production: the public one vouches for the edge to clients, the mesh
/// one for the gateway and the backends to each other. Never overwrites: keys that something already trusts stay as they are.
package struct DevelopmentPKI: Sendable {
  package static let trustDomain = "gatehouse.internal"
  /// The `kid` of every development key; `Routes/` names it.
  package static let keyID = "development"
  package static let backendNames = ["orders", "users"]

  /// One file of the set.
  package struct Item: Sendable {
    package let file: String
    package let purpose: String
    let isPrivate: Bool
  }

  /// What `make` returns.
  package enum Outcome: Sendable, Equatable {
    case made
    /// Everything was there before; nothing was touched.
    case complete
  }

  package let directory: String

  package init(directory: String) { self.directory = directory }

  package static let items: [Item] =
    [
      Item(file: "public-ca.crt", purpose: "what clients trust: curl --cacert", isPrivate: false),
      Item(file: "public-ca.key", purpose: "signs edge certificates", isPrivate: true),
      Item(file: "edge.crt", purpose: "the edge: localhost, *.localhost, 127.0.0.1, ::1", isPrivate: false),
      Item(file: "edge.key", purpose: "its key", isPrivate: true),
      Item(file: "mesh-ca.crt", purpose: "what the gateway and the backends trust", isPrivate: false),
      Item(file: "mesh-ca.key", purpose: "signs gateway and backend certificates", isPrivate: true),
      Item(file: "gateway.crt", purpose: "the gateway as a client: \(spiffeID("gateway"))", isPrivate: false),
      Item(file: "gateway.key", purpose: "its key", isPrivate: true),
    ]
    + backendNames.flatMap { name in
      [
        Item(file: "\(name).crt", purpose: "a backend: \(spiffeID(name))", isPrivate: false),
        Item(file: "\(name).key", purpose: "its key", isPrivate: true),
      ]
    } + [
      Item(file: "internal-token.key", purpose: "signs internal tokens (ES256)", isPrivate: true),
      Item(file: "internal-token.jwks.json", purpose: "its public half, for backends", isPrivate: false),
      Item(file: "idp.key", purpose: "signs development access tokens (ES256)", isPrivate: true),
      Item(file: "idp.jwks.json", purpose: "its public half, for the gateway", isPrivate: false),
    ]

  package static func spiffeID(_ name: String) -> String { "spiffe://\(trustDomain)/\(name)" }

  package func path(_ file: String) -> String { directory.hasSuffix("/") ? directory + file : "\(directory)/\(file)" }

  /// Makes the whole set, or finds it complete.
  ///
  /// - Throws: `DevelopmentError` when only some of the files are there: which of them belong together cannot be known, so the
  ///   person has to decide what to remove.
  package func make() throws -> Outcome {
    let missing = Self.items.filter { access(path($0.file), F_OK) != 0 }
    if missing.isEmpty { return .complete }
    guard missing.count == Self.items.count else {
      throw DevelopmentError(
        "\(directory) holds only part of a development PKI. Missing: \(missing.map(\.file).joined(separator: ", ")). "
          + "Nothing was changed: move the files that are there away, or name another directory.")
    }
    try TextFile.makeDirectory(directory)
    try makeEdge()
    try makeMesh()
    try makeSigningKey(file: "internal-token")
    try makeSigningKey(file: "idp")
    return .made
  }

  /// Adds a certificate for one more backend, signed by the mesh authority that is in the directory.
  ///
  /// - Parameter dnsNames: besides `NAME.internal`, `NAME` and `localhost`.
  /// - Throws: `DevelopmentError` when the authority is missing, or the backend has files there already.
  package func addBackend(_ name: String, dnsNames: [String] = []) throws {
    guard name.utf8.first != UInt8(ascii: "."), !name.contains("/"), !name.isEmpty else {
      throw DevelopmentError("\"\(name)\" cannot name a backend: use letters, digits and -")
    }
    let mesh = try CertificateIssuer(certificatePath: path("mesh-ca.crt"), keyPath: path("mesh-ca.key"))
    for file in ["\(name).crt", "\(name).key"] where access(path(file), F_OK) == 0 {
      throw DevelopmentError("\(path(file)) exists and is not overwritten")
    }
    try makeBackend(name, dnsNames: dnsNames, issuer: mesh)
  }

  private func makeEdge() throws {
    let authority = try CertificateIssuer(commonName: "Public CA")
    try write(authority: authority, file: "public-ca")
    try makeLeaf(
      "edge", issuer: authority,
      CertificateProfile(
        commonName: "localhost", dnsNames: ["localhost", "*.localhost", "gateway"], addresses: ["127.0.0.1", "::1"],
        usage: .server))
  }

  private func makeMesh() throws {
    let authority = try CertificateIssuer(commonName: "Mesh CA")
    try write(authority: authority, file: "mesh-ca")
    try makeLeaf(
      "gateway", issuer: authority,
      CertificateProfile(
        commonName: "gateway", dnsNames: ["gateway.internal"], uris: [Self.spiffeID("gateway")], usage: .client))
    for name in Self.backendNames { try makeBackend(name, dnsNames: [], issuer: authority) }
  }

  private func makeBackend(_ name: String, dnsNames: [String], issuer: CertificateIssuer) throws {
    try makeLeaf(
      name, issuer: issuer,
      CertificateProfile(
        commonName: name, dnsNames: ["\(name).internal", name, "localhost"] + dnsNames, addresses: ["127.0.0.1", "::1"],
        uris: [Self.spiffeID(name)], usage: .serverAndClient))
  }

  private func write(authority: CertificateIssuer, file: String) throws {
    try TextFile.write(authority.key.pem, to: path("\(file).key"), mode: 0o600)
    try TextFile.write(authority.pem(), to: path("\(file).crt"), mode: 0o644)
  }

  private func makeLeaf(_ file: String, issuer: CertificateIssuer, _ profile: CertificateProfile) throws {
    let key = try DevelopmentKey()
    let certificate = try issuer.issue(profile, for: key)
    try TextFile.write(key.pem, to: path("\(file).key"), mode: 0o600)
    try TextFile.write(certificate, to: path("\(file).crt"), mode: 0o644)
  }

  private func makeSigningKey(file: String) throws {
    let key = try KeyGeneration.makePEM(.es256)
    try TextFile.write(key, to: path("\(file).key"), mode: 0o600)
    try TextFile.write(JWKSFile.make([(key, Self.keyID, .es256)]), to: path("\(file).jwks.json"), mode: 0o644)
  }
}
