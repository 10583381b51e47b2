import COpenSSL
import Testing

@testable import TLS

struct ClientTLSContextTests {
  let pki: TestPKI
  init() throws { pki = try TestPKI() }

  private func server(_ chain: CertificateChain, clients: ClientAuthentication = .none) throws -> ServerTLSContext {
    try ServerTLSContext(certificates: [chain], clientAuthentication: clients, ticketKeys: TicketKeyRing())
  }

  private func client(
    name: String? = nil, identities: [String] = [], authorities: CertificateAuthorities? = nil
  ) throws -> ClientTLSContext {
    try ClientTLSContext(
      certificate: pki.client(), authorities: authorities ?? pki.authorities, serverName: name, identities: identities)
  }

  /// How the client judges a server with `profile`: nil when it accepts.
  private func verdict(
    _ profile: TestProfile, name: String? = nil, identities: [String] = [], authorities: CertificateAuthorities? = nil
  ) throws -> TLSFailure.Kind? {
    let link = try TestLink(
      client(name: name, identities: identities, authorities: authorities), server(pki.chain(profile)))
    let steps = link.handshake()
    if steps.client == .done { return nil }
    // Nothing may leave after a refusal.
    #expect(link.client.write("secret") == .failed)
    #expect(link.client.peerIdentity == nil)
    return steps.client.failureKind
  }

  @Test(arguments: [
    ("URI:spiffe://mesh/orders", ["spiffe://mesh/orders"], TLSFailure.Kind?.none),
    ("URI:spiffe://mesh/orders", ["spiffe://mesh/other", "spiffe://mesh/orders"], nil),
    ("DNS:orders.example,URI:spiffe://mesh/orders", ["spiffe://mesh/orders"], nil),
    ("URI:spiffe://mesh/orders", ["spiffe://mesh/other"], .identity),
    ("URI:spiffe://mesh/orders", ["spiffe://mesh/Orders"], .identity),
    ("URI:spiffe://mesh/orders", ["spiffe://mesh/order"], .identity),
    ("URI:spiffe://mesh/orders/", ["spiffe://mesh/orders"], .identity),
    ("URI:spiffe://mesh/orders,URI:spiffe://mesh/other", ["spiffe://mesh/orders"], .identity),
    ("DNS:orders.example", ["spiffe://mesh/orders"], .identity),
    ("email:spiffe@mesh.example", ["spiffe://mesh/orders"], .identity),
  ])
  func `A SPIFFE identity is compared byte for byte`(names: String, identities: [String], expected: TLSFailure.Kind?) throws {
    #expect(try verdict(TestProfile(names: names), identities: identities) == expected)
    // With a server name too, which is then the SNI and no second way in.
    #expect(try verdict(TestProfile(names: names), name: "orders.example", identities: identities) == expected)
  }

  @Test(arguments: [
    ("DNS:orders.example", "orders.example", TLSFailure.Kind?.none), ("DNS:ORDERS.example", "orders.EXAMPLE", nil),
    ("DNS:*.example.com", "orders.example.com", nil), ("DNS:a.example,DNS:orders.example", "orders.example", nil),
    ("IP:127.0.0.1", "127.0.0.1", nil), ("IP:::1", "::1", nil),
    ("DNS:other.example", "orders.example", .identity), ("DNS:*.example.com", "a.orders.example.com", .identity),
    ("DNS:*.example.com", "example.com", .identity), ("DNS:ord*.example.com", "orders.example.com", .identity),
    ("DNS:127.0.0.1", "127.0.0.1", .identity), ("IP:127.0.0.2", "127.0.0.1", .identity),
    ("URI:spiffe://mesh/orders.example", "orders.example", .identity), ("DNS:orders.example.evil", "orders.example", .identity),
  ])
  func `A server name is looked for among the alternative names`(names: String, name: String, expected: TLSFailure.Kind?) throws {
    #expect(try verdict(TestProfile(names: names), name: name) == expected)
  }

  @Test func `The common name counts for nothing`() throws {
    #expect(try verdict(TestProfile(commonName: "orders.example"), name: "orders.example") == .identity)
    #expect(try verdict(TestProfile(commonName: "spiffe://mesh/a"), identities: ["spiffe://mesh/a"]) == .identity)
  }

  @Test func `A CA's certificate is no SPIFFE identity`() throws {
    let profile = TestProfile(names: "URI:spiffe://mesh/a", isCA: true)
    #expect(try verdict(profile, identities: ["spiffe://mesh/a"]) == .identity)
  }

  @Test func `The chain is judged before the name`() throws {
    let good = "DNS:orders.example"
    let other = try TestPKI("Other CA")
    #expect(try verdict(TestProfile(names: good), name: "orders.example", authorities: other.authorities)
      == .certificateUnknownAuthority)
    // The same name and another key: only the key can tell.
    let twin = try TestPKI()
    #expect(try verdict(TestProfile(names: good), name: "orders.example", authorities: twin.authorities) != nil)
    #expect(try verdict(TestProfile(names: good, from: -100, to: -50), name: "orders.example") == .certificateExpired)
    #expect(try verdict(TestProfile(names: good, from: 500, to: 900), name: "orders.example") == .certificateExpired)
    #expect(try verdict(TestProfile(names: good, purpose: "clientAuth"), name: "orders.example") == .certificateInvalid)
    #expect(try verdict(TestProfile(names: good, purpose: "serverAuth"), name: "orders.example") == nil)
  }

  @Test func `A self-signed server is refused`() throws {
    let alone = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: nil)
    let link = try TestLink(client(name: "orders.example"), server(pki.chain(of: alone)))
    #expect(link.handshake().client.failureKind == .certificateUnknownAuthority)
  }

  @Test func `An intermediate comes with the chain`() throws {
    let intermediate = TestAuthority.issue(TestProfile(commonName: "Intermediate", isCA: true), by: pki.root)
    let leaf = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: intermediate)
    let whole = try TestLink(client(name: "orders.example"), server(pki.chain(of: leaf, followedBy: [intermediate])))
    #expect(whole.handshake().client == .done)
    let short = try TestLink(client(name: "orders.example"), server(pki.chain(of: leaf)))
    #expect(short.handshake().client.failureKind == .certificateUnknownAuthority)
  }

  @Test func `What somebody else has signed is no end of a chain, and a file of such certificates alone is refused`() throws {
    let intermediate = TestAuthority.issue(TestProfile(commonName: "Intermediate", isCA: true), by: pki.root)
    let leaf = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: intermediate)
    for alone in [[leaf], [intermediate], [leaf, intermediate]] {
      let path = pki.directory.write("alone.crt", alone.flatMap(\.certificatePEM))
      #expect(throws: TLSConfigurationError.self) { try CertificateAuthorities(path: path) }
    }
    // With the root beside it the leaf is of no use, and the others are: only the leaf is told of.
    let path = pki.directory.write("whole.crt", [leaf, intermediate, pki.root].flatMap(\.certificatePEM))
    let whole = try CertificateAuthorities(path: path)
    #expect(
      whole.shortcomings(at: 0) == [
        "certificate 1 of \(path) is no authority's: it vouches for nobody. Write the file of the authority that signed it"
      ])
    let link = try TestLink(client(name: "orders.example", authorities: whole), server(pki.chain(of: leaf)))
    #expect(link.handshake().client == .done)
  }

  @Test func `A certificate that signed itself vouches for itself alone`() throws {
    let pinned = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: nil)
    let path = pki.directory.write("pinned.crt", pinned.certificatePEM)
    let authorities = try CertificateAuthorities(path: path)
    #expect(authorities.shortcomings(at: 0).first?.contains("no authority's: it vouches for itself alone") == true)
    let itself = try TestLink(client(name: "orders.example", authorities: authorities), server(pki.chain(of: pinned)))
    #expect(itself.handshake().client == .done)
    let forged = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: pinned)
    let other = try TestLink(
      client(name: "orders.example", authorities: authorities), server(pki.chain(of: forged, followedBy: [pinned])))
    #expect(other.handshake().client.failureKind != nil)
  }

  @Test func `A leaf cannot vouch for another`() throws {
    let leaf = TestAuthority.issue(TestProfile(names: "DNS:a.example"), by: pki.root)
    let forged = TestAuthority.issue(TestProfile(names: "DNS:orders.example"), by: leaf)
    let link = try TestLink(client(name: "orders.example"), server(pki.chain(of: forged, followedBy: [leaf])))
    // OpenSSL passes over an issuer that is no CA, so it may call the chain incomplete.
    let kind = link.handshake().client.failureKind
    #expect(kind == .certificateInvalid || kind == .certificateUnknownAuthority)
  }

  @Test func `A context without a name to check is refused`() {
    #expect(throws: TLSConfigurationError.self) { try client() }
    #expect(throws: TLSConfigurationError.self) { try client(name: "") }
  }

  @Test func `The gateway's certificate reaches the backend`() throws {
    let context = try client(name: "server.example")
    let link = try TestLink(context, server(pki.server(), clients: .required(pki.authorities)))
    #expect(link.handshake() == (.done, .done))
    let identity = try #require(link.server.peerIdentity)
    #expect(identity.kind == .spiffe)
    #expect(identity.text == "spiffe://test/client")
    #expect(identity.thumbprint == context.thumbprint)
    #expect(link.client.peerIdentity?.kind == .dns)
    #expect(link.client.peerIdentity?.text == "server.example")
  }

  @Test func `A backend that refuses our certificate shows when we read`() throws {
    let strict = try server(pki.server(), clients: .required(TestPKI("Other CA").authorities))
    let link = try TestLink(client(name: "server.example"), strict)
    let steps = link.handshake()
    #expect(steps.server.failureKind == .certificateUnknownAuthority)
    // In TLS 1.3 our side is done before the backend has looked.
    #expect(steps.client == .done)
    #expect(link.client.read().result == .failed)
    #expect(link.client.failure?.kind == .refusedByPeer)
  }

  @Test func `A backend without TLS is refused`() throws {
    let sockets = SocketPair()
    let peer = try TestPeer(TLSConnection(connecting: client(name: "a.example"), fd: sockets.descriptors[0]))
    #expect(peer.handshake() == .wantsRead)
    sockets.write(1, Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
    #expect(peer.handshake().failureKind == .protocolViolation)
  }

  @Test func `ALPN is offered, and an address is no SNI`() throws {
    let context = try ClientTLSContext(
      certificate: pki.client(), authorities: pki.authorities, serverName: "127.0.0.1", identities: [], protocols: [.http1_1])
    #expect(context.serverName == nil)
    let link = try TestLink(context, server(pki.server("IP:127.0.0.1")))
    #expect(link.handshake() == (.done, .done))
    #expect(link.client.negotiatedProtocol == .http1_1)
    #expect(link.server.negotiatedProtocol == .http1_1)
  }
}
