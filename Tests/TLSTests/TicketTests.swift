import COpenSSL
import Glibc
import Synchronization
import Testing

@testable import TLS

/// A clock that a test turns.
private final class TestClock: Sendable {
  let now = Atomic<Int64>(1000)
  func advance(_ seconds: Int64) { now.add(seconds, ordering: .relaxed) }
}

struct TicketTests {
  let pki: TestPKI
  private let clock = TestClock()
  let ring: TicketKeyRing

  init() throws {
    pki = try TestPKI()
    let clock = self.clock
    ring = TicketKeyRing(period: 100, kept: 2) { clock.now.load(ordering: .relaxed) }
  }

  private func context(
    _ clients: ClientAuthentication = .none, ring: TicketKeyRing? = nil, chain: CertificateChain? = nil
  ) throws -> ServerTLSContext {
    try ServerTLSContext(
      certificates: [chain ?? pki.server()], clientAuthentication: clients, ticketKeys: ring ?? self.ring)
  }

  /// Connects to `first`, then with its ticket to `second`; answers the second connection.
  private func resume(
    _ first: ServerTLSContext, _ second: ServerTLSContext, version: Int32 = TLS1_3_VERSION, certificate: CertificateChain? = nil,
    secondCertificate: CertificateChain? = nil, between: () -> Void = {}
  ) throws -> ScriptedClient {
    let one = try ScriptedClient(.init(maximumVersion: version, certificate: certificate), to: first)
    #expect(one.serverStep == .done)
    #expect(!one.isResumed)
    let session = try #require(one.session())
    defer { SSL_SESSION_free(session) }
    between()
    return try ScriptedClient(
      .init(maximumVersion: version, session: session, certificate: secondCertificate ?? certificate), to: second)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A ticket works across contexts that share the ring`(version: Int32) throws {
    let client = try resume(context(), context(), version: version)
    #expect(client.serverStep == .done)
    #expect(client.isResumed)
    #expect(client.server.isResumed)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A ticket of another ring means a full handshake`(version: Int32) throws {
    let client = try resume(context(), context(ring: TicketKeyRing()), version: version)
    #expect(client.serverStep == .done)
    #expect(!client.isResumed)
  }

  @Test func `A ticket works when SNI chose the certificate`() throws {
    let chains = [try pki.server("DNS:one.example"), try pki.server("DNS:two.example")]
    let server = try ServerTLSContext(certificates: chains, ticketKeys: ring)
    let first = try ScriptedClient(.init(serverName: "two.example"), to: server)
    let session = try #require(first.session())
    defer { SSL_SESSION_free(session) }
    let second = try ScriptedClient(.init(serverName: "two.example", session: session), to: server)
    #expect(second.isResumed)
    #expect(second.serverStep == .done)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A ticket does not carry over to other client authentication`(version: Int32) throws {
    let certificate = try pki.client()
    let optional = ClientAuthentication.optional(pki.authorities)
    let required = ClientAuthentication.required(pki.authorities)
    // Without a certificate, to a listener that requires one: not resumed, so the certificate is asked for.
    for first in [ClientAuthentication.none, optional] {
      let client = try resume(context(first), context(required), version: version)
      #expect(!client.isResumed)
      #expect(client.serverStep.failureKind == .certificateMissing)
    }
    // Under another CA file.
    let other = try TestPKI("Other CA")
    let moved = try resume(
      context(required), context(.required(other.authorities)), version: version, certificate: certificate)
    #expect(!moved.server.isResumed)
    #expect(moved.serverStep.failureKind == .certificateUnknownAuthority)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A resumed session keeps the client's identity`(version: Int32) throws {
    let required = ClientAuthentication.required(pki.authorities)
    let certificate = try pki.client()
    let client = try resume(context(required), context(required), version: version, certificate: certificate)
    #expect(client.server.isResumed)
    #expect(client.server.peerIdentity?.text == "spiffe://test/client")
    #expect(client.server.peerIdentity?.thumbprint == certificate.thumbprint)
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A client certificate that has expired is not resumed`(version: Int32) throws {
    let required = ClientAuthentication.required(pki.authorities)
    let brief = try pki.chain(TestProfile(names: "URI:spiffe://test/brief", to: 2))
    let client = try resume(
      context(required), context(required), version: version, certificate: brief, secondCertificate: pki.client()
    ) {
      // X509 times have whole seconds.
      while time(nil) <= brief.notAfter { usleep(50_000) }
    }
    #expect(client.serverStep == .done)
    #expect(!client.server.isResumed)
    #expect(client.server.peerIdentity?.text == "spiffe://test/client")
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `A rotated key still opens tickets, then is dropped`(version: Int32) throws {
    let server = try context()
    // Sealed at the start of a period: good in this one and in the next.
    #expect(try resume(server, server, version: version) { clock.advance(99) }.isResumed)
    #expect(try resume(server, server, version: version) { clock.advance(100) }.isResumed)
    #expect(try !resume(server, server, version: version) { clock.advance(201) }.isResumed)
  }

  @Test func `The ring seals for one period and keeps two keys`() throws {
    let first = try #require(ring.sealingKey())
    clock.advance(99)
    #expect(ring.sealingKey() === first)
    clock.advance(1)
    #expect(ring.openingKey(name: first.name)?.isSealing == false)
    let second = try #require(ring.sealingKey())
    #expect(second !== first)
    #expect(ring.openingKey(name: first.name)?.isSealing == false)
    #expect(ring.openingKey(name: second.name)?.isSealing == true)
    clock.advance(99)
    #expect(ring.openingKey(name: first.name) != nil)
    clock.advance(1)
    #expect(ring.openingKey(name: first.name) == nil)
    #expect(ring.openingKey(name: second.name) != nil)
    clock.advance(1_000_000)
    #expect(ring.openingKey(name: second.name) == nil)
    #expect(ring.ticketLifetime == 100)
    #expect(TicketKeyRing(period: 1_000_000, kept: 3).ticketLifetime == 604_800)
    #expect(TicketKeyRing(period: .max, kept: 9).ticketLifetime == 604_800)
  }

  @Test func `Many threads use one ring`() async {
    let ring = TicketKeyRing(period: 1, kept: 2) { Int64.random(in: 0...3) / 4 + TicketKeyRing.monotonicSeconds() }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<2000 {
            if let key = ring.sealingKey() { _ = ring.openingKey(name: key.name) }
          }
        }
      }
    }
  }

  @Test func `One ticket is sent, and a new one at each resumption`() throws {
    let server = try context()
    let first = try ScriptedClient(to: server)
    let ticket = try #require(first.session())
    defer { SSL_SESSION_free(ticket) }
    let second = try ScriptedClient(.init(session: ticket), to: server)
    #expect(second.isResumed)
    let next = try #require(second.session())
    #expect(ticketBytes(next) != ticketBytes(ticket))
    #expect(SSL_CTX_get_num_tickets(server.initial) == 1)
    defer { SSL_SESSION_free(next) }
    #expect(try ScriptedClient(.init(session: next), to: server).isResumed)
  }

  private func ticketBytes(_ session: OpaquePointer) -> [UInt8] {
    var start: UnsafePointer<UInt8>?
    var count = 0
    SSL_SESSION_get0_ticket(session, &start, &count)
    return Array(UnsafeBufferPointer(start: start, count: count))
  }

  @Test func `A forged ticket means a full handshake`() throws {
    let server = try context()
    let first = try ScriptedClient(.init(maximumVersion: TLS1_2_VERSION), to: server)
    let session = try #require(first.session())
    defer { SSL_SESSION_free(session) }
    var der: UnsafeMutablePointer<UInt8>?
    let count = Int(i2d_SSL_SESSION(session, &der))
    defer { CRYPTO_free(der, #file, #line) }
    let ticket = ticketBytes(session)
    let bytes = try #require(der)
    let start = try #require((0...(count - ticket.count)).first(where: { memcmp(bytes + $0, ticket, ticket.count) == 0 }))
    // A bit in the key's name, the IV, the sealed state and the MAC.
    for offset in [0, 20, 60, ticket.count - 1] {
      bytes[start + offset] ^= 1
      var cursor: UnsafePointer<UInt8>? = UnsafePointer(bytes)
      let forged = d2i_SSL_SESSION(nil, &cursor, count)
      bytes[start + offset] ^= 1
      defer { SSL_SESSION_free(forged) }
      let client = try ScriptedClient(.init(maximumVersion: TLS1_2_VERSION, session: forged), to: server)
      #expect(client.serverStep == .done)
      #expect(!client.isResumed)
    }
  }
}
