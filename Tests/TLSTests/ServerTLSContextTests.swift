import COpenSSL
import Testing

@testable import TLS

struct ServerTLSContextTests {
  let pki: TestPKI
  let ring = TicketKeyRing()
  init() throws { pki = try TestPKI() }

  private func context(
    _ chains: [CertificateChain]? = nil, minimum: TLSVersion = .tls12, protocols: [ApplicationProtocol] = [.http1_1],
    clients: ClientAuthentication = .none
  ) throws -> ServerTLSContext {
    try ServerTLSContext(
      certificates: chains ?? [pki.server()], minimumVersion: minimum, protocols: protocols, clientAuthentication: clients,
      ticketKeys: ring)
  }

  @Test(arguments: [
    (nil, "first"), ("second.example", "second"), ("SECOND.Example", "second"), ("x.wild.example", "third"),
    ("unknown.example", "first"), ("a.b.wild.example", "first"), ("first.example", "first"),
  ])
  func `SNI chooses the certificate`(name: String?, expected: String) throws {
    let chains = try [("first", "DNS:first.example"), ("second", "DNS:second.example"), ("third", "DNS:*.wild.example")].map {
      try pki.chain(TestProfile(commonName: $0.0, names: $0.1))
    }
    let server = try context(chains)
    for version in [TLS1_2_VERSION, TLS1_3_VERSION] {
      let client = try ScriptedClient(.init(serverName: name, maximumVersion: version), to: server)
      #expect(client.serverStep == .done)
      #expect(client.serverCommonName == expected)
    }
  }

  @Test func `The certificate that SNI chose has the same client authentication`() throws {
    let chains = [try pki.server("DNS:one.example"), try pki.server("DNS:two.example")]
    let server = try context(chains, clients: .required(pki.authorities))
    let without = try ScriptedClient(.init(serverName: "two.example"), to: server)
    #expect(without.serverStep.failureKind == .certificateMissing)
    let with = try ScriptedClient(.init(serverName: "two.example", certificate: pki.client()), to: server)
    #expect(with.serverStep == .done)
    #expect(with.server.peerIdentity?.text == "spiffe://test/client")
  }

  @Test(arguments: [
    (["h2", "http/1.1"], ApplicationProtocol.h2), (["http/1.1", "h2"], .h2), (["http/1.1"], .http1_1), ([], .none),
    (["spdy/3", "http/1.1"], .http1_1),
  ])
  func `ALPN goes by the server's preference`(offered: [String], expected: ApplicationProtocol) throws {
    let client = try ScriptedClient(.init(protocols: offered), to: context(protocols: [.h2, .http1_1]))
    #expect(client.serverStep == .done)
    #expect(client.server.negotiatedProtocol == expected)
  }

  @Test(arguments: [
    ([], nil), ([2, 0x68, 0x32], 1..<3), ([8] + Array("http/1.1".utf8) + [2, 0x68, 0x32], 10..<12), ([2, 0x68], nil), ([0, 2, 0x68, 0x32], nil),
    ([255, 0x68, 0x32], nil), ([1, 0x68], nil),
  ] as [([UInt8], Range<Int>?)])
  func `Nothing is chosen outside of a client's list`(offered: [UInt8], expected: Range<Int>?) {
    let rules = HandshakeRules(ring: ring, names: ServerNameTable(names: []), handles: [], protocols: [.h2])
    #expect(rules.choose(among: offered.span) == expected)
  }

  @Test func `OpenSSL remembers a number, and finds nobody when the listener is gone`() throws {
    var server: ServerTLSContext? = try context(protocols: [.h2])
    let rules = try #require(server).rules
    let number = try #require(server).number
    #expect(HandshakeRegistry.find(number) === rules)
    server = nil
    #expect(HandshakeRegistry.find(number) == nil)
    let next = try context()
    #expect(next.number > number && HandshakeRegistry.find(number) == nil)
  }

  @Test(arguments: [["h2"], ["http/1.0"], ["http/1.1x", "xhttp/1.1"]])
  func `A client that offers only unknown protocols is refused`(offered: [String]) throws {
    let client = try ScriptedClient(.init(protocols: offered), to: context(protocols: [.http1_1]))
    #expect(client.serverStep.failureKind == .protocolViolation)
    #expect(client.error.contains("no application protocol"))
  }

  @Test(arguments: [
    (TLSVersion.tls12, TLS1_1_VERSION, false), (.tls12, TLS1_2_VERSION, true), (.tls12, TLS1_3_VERSION, true),
    (.tls13, TLS1_2_VERSION, false), (.tls13, TLS1_3_VERSION, true),
  ])
  func `The minimum version holds`(minimum: TLSVersion, offered: Int32, accepted: Bool) throws {
    let client = try ScriptedClient(.init(maximumVersion: offered), to: context(minimum: minimum))
    if accepted {
      #expect(client.serverStep == .done)
      #expect(client.server.version == (offered == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2"))
    } else {
      #expect(client.serverStep.failureKind == .protocolViolation)
      #expect(client.error.contains("alert"))
    }
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `Client certificates are asked for as configured`(version: Int32) throws {
    let stranger = try TestPKI("Other CA").client()
    let known = try pki.client()
    let expired = try pki.chain(TestProfile(names: "URI:spiffe://test/old", from: -100, to: -50))
    let serverOnly = try pki.chain(TestProfile(names: "URI:spiffe://test/s", purpose: "serverAuth"))
    func kind(_ clients: ClientAuthentication, _ certificate: CertificateChain?) throws -> TLSFailure.Kind? {
      let client = try ScriptedClient(
        .init(maximumVersion: version, certificate: certificate), to: context(clients: clients))
      return client.serverStep == .done ? nil : client.serverStep.failureKind
    }
    #expect(try kind(.none, known) == nil)
    #expect(try kind(.optional(pki.authorities), nil) == nil)
    #expect(try kind(.optional(pki.authorities), known) == nil)
    #expect(try kind(.optional(pki.authorities), stranger) == .certificateUnknownAuthority)
    #expect(try kind(.required(pki.authorities), nil) == .certificateMissing)
    #expect(try kind(.required(pki.authorities), known) == nil)
    #expect(try kind(.required(pki.authorities), stranger) == .certificateUnknownAuthority)
    #expect(try kind(.required(pki.authorities), expired) == .certificateExpired)
    #expect(try kind(.required(pki.authorities), serverOnly) == .certificateInvalid)
  }

  @Test func `A client without a certificate has no identity`() throws {
    let client = try ScriptedClient(to: context(clients: .optional(pki.authorities)))
    #expect(client.serverStep == .done)
    #expect(client.server.peerIdentity == nil)
  }

  @Test func `Renegotiation is refused`() throws {
    let client = try ScriptedClient(.init(maximumVersion: TLS1_2_VERSION), to: context())
    #expect(client.serverStep == .done)
    #expect(!client.renegotiate())
  }

  @Test func `A listener without certificates is refused`() {
    #expect(throws: TLSConfigurationError.self) { try context([]) }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\0", "SSH-2.0-x\r\n",
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
  ])
  func `Bytes that are no ClientHello end the connection`(text: String) throws {
    let sockets = SocketPair()
    let server = try TestPeer(TLSConnection(accepting: context(), fd: sockets.descriptors[1]))
    sockets.write(0, Array(text.utf8))
    var step = server.handshake()
    if step == .wantsRead {
      sockets.close(0)
      step = server.handshake()
    }
    #expect(step.failureKind == .protocolViolation || step.failureKind == .closed)
    #expect(server.handshake() == step)
    #expect(server.read().result == .failed)
    #expect(server.write("x") == .failed)
    #expect(ERR_peek_error() == 0)
  }

  @Test func `Random bytes end the connection and never trap`() throws {
    let server = try context()
    var random = SystemRandomNumberGenerator()
    for round in 0..<300 {
      let sockets = SocketPair()
      let peer = TestPeer(TLSConnection(accepting: server, fd: sockets.descriptors[1]))
      var bytes = (0..<Int.random(in: 1...600)).map { _ in UInt8.random(in: 0...255, using: &random) }
      // Half of them look like a handshake record, to get further in.
      if round % 2 == 0 { bytes = [22, 3, 1, UInt8(bytes.count >> 8), UInt8(bytes.count & 255), 1] + bytes.dropFirst() + [0] }
      sockets.write(0, bytes)
      sockets.close(0)
      var step = peer.handshake()
      for _ in 0..<5 where !step.isFinal { step = peer.handshake() }
      #expect(step.failureKind != nil)
    }
    #expect(ERR_peek_error() == 0)
  }

  @Test func `A client that goes away in the handshake is told apart from a wrong one`() throws {
    let sockets = SocketPair()
    let server = try TestPeer(TLSConnection(accepting: context(), fd: sockets.descriptors[1]))
    #expect(server.handshake() == .wantsRead)
    sockets.close(0)
    #expect(server.handshake().failureKind == .closed)
  }
}
