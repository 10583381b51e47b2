import COpenSSL
import Glibc
import Testing

@testable import TLS

struct TLSConnectionTests {
  let pki: TestPKI
  let client: ClientTLSContext
  let server: ServerTLSContext

  init() throws {
    pki = try TestPKI()
    client = try ClientTLSContext(
      certificate: pki.client(), authorities: pki.authorities, serverName: "server.example", identities: [])
    server = try ServerTLSContext(certificates: [pki.server()], ticketKeys: TicketKeyRing())
  }

  /// A link with both handshakes done and the ticket taken in.
  private func connected() -> TestLink {
    let link = TestLink(client, server)
    #expect(link.handshake() == (.done, .done))
    #expect(link.client.read().result == .wantsRead)
    return link
  }

  @Test func `Data goes both ways`() {
    let link = connected()
    #expect(link.client.version == "TLSv1.3")
    #expect(link.client.write("ping") == .bytes(4))
    #expect(link.server.readText() == "ping")
    #expect(link.server.read().result == .wantsRead)
    #expect(link.server.write("pong") == .bytes(4))
    #expect(link.client.readText() == "pong")
  }

  @Test func `Nothing is read or written before the handshake is done`() {
    let link = TestLink(client, server)
    #expect(link.client.write("early") == .failed)
    #expect(link.client.read().result == .failed)
    #expect(link.handshake() == (.done, .done))
    #expect(link.client.write("late") == .bytes(4))
  }

  @Test func `A handshake that comes byte by byte is done in the end`() throws {
    // The client's bytes go through a second pair, one at a time.
    let inner = SocketPair()
    let outer = SocketPair()
    let clientPeer = TestPeer(TLSConnection(connecting: client, fd: inner.descriptors[0]))
    let serverPeer = TestPeer(TLSConnection(accepting: server, fd: outer.descriptors[1]))
    var steps = (client: clientPeer.handshake(), server: serverPeer.handshake())
    for _ in 0..<4 where !(steps.client.isFinal && steps.server.isFinal) {
      for byte in inner.read(1) {
        outer.write(0, [byte])
        if !steps.server.isFinal { steps.server = serverPeer.handshake() }
      }
      for byte in outer.read(0) {
        inner.write(1, [byte])
        if !steps.client.isFinal { steps.client = clientPeer.handshake() }
      }
    }
    #expect(steps == (.done, .done))
  }

  @Test func `What a small read leaves is pending, and its buffer is not released`() {
    let link = connected()
    #expect(link.client.write("0123456789") == .bytes(10))
    #expect(!link.server.hasPending)
    #expect(link.server.read(upTo: 4).bytes == Array("0123".utf8))
    #expect(link.server.hasPending)
    #expect(!link.server.releaseBuffers())
    #expect(link.server.readText() == "456789")
    #expect(!link.server.hasPending)
  }

  @Test func `A second record that was read ahead is pending`() {
    let link = connected()
    #expect(link.client.write("one") == .bytes(3))
    #expect(link.client.write("two") == .bytes(3))
    #expect(link.server.readText() == "one")
    #expect(link.server.hasPending)
    #expect(!link.server.releaseBuffers())
    #expect(link.server.readText() == "two")
    #expect(!link.server.hasPending)
  }

  @Test func `A connection goes on after its buffers were released`() {
    let link = connected()
    for round in 0..<3 {
      #expect(link.client.write("request \(round)") == .bytes(9))
      #expect(link.server.readText() == "request \(round)")
      #expect(link.server.write("answer \(round)") == .bytes(8))
      #expect(link.client.readText() == "answer \(round)")
      #expect(link.server.read().result == .wantsRead)
      #expect(link.server.releaseBuffers())
      #expect(link.client.releaseBuffers())
    }
  }

  @Test func `A record that came in half keeps its buffer`() {
    let link = connected()
    #expect(link.client.write([UInt8](repeating: 7, count: 1000)) == .bytes(1000))
    // The record, cut in two, through the same socket from the client's end.
    let record = link.sockets.read(1)
    link.sockets.write(0, Array(record[0..<500]))
    #expect(link.server.read().result == .wantsRead)
    #expect(!link.server.releaseBuffers())
    link.sockets.write(0, Array(record[500...]))
    #expect(link.server.read().bytes == [UInt8](repeating: 7, count: 1000))
  }

  @Test func `Large writes leave in parts, from wherever the bytes have moved`() {
    let link = connected()
    let all = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    var sent = 0
    var received: [UInt8] = []
    var waited = false
    var offered: [[UInt8]] = []
    while received.count < all.count {
      while sent < all.count {
        // A new array each time, while the one before is still held: another address, the same bytes.
        let bytes = Array(all[sent..<min(sent + 50_000, all.count)])
        offered = [offered.last ?? [], bytes]
        let result = link.client.write(bytes)
        if case .bytes(let count) = result {
          sent += count
          continue
        }
        guard result == .wantsWrite else {
          Issue.record("a write came to \(result): \(String(describing: link.client.failure))")
          return
        }
        waited = true
        break
      }
      while case (.bytes, let bytes) = link.server.read() { received += bytes }
    }
    #expect(received == all)
    #expect(waited, "the socket never filled up; the test shows nothing")
  }

  @Test func `close_notify is told from a cut`() {
    let clean = connected()
    clean.client.shutdown()
    clean.client.shutdown()
    #expect(clean.server.read().result == .closed(clean: true))
    #expect(clean.server.read().result == .closed(clean: true))
    // The other direction is still open.
    #expect(clean.server.write("bye") == .bytes(3))
    #expect(clean.client.readText() == "bye")

    let cut = connected()
    cut.sockets.close(0)
    #expect(cut.server.read().result == .closed(clean: false))
    #expect(ERR_peek_error() == 0)
  }

  @Test func `A cut is not answered with an alert`() {
    let link = connected()
    // Whatever the handshake left there.
    while !link.sockets.read(0).isEmpty {}
    _ = shutdown(link.sockets.descriptors[0], Int32(SHUT_WR))
    #expect(link.server.read().result == .closed(clean: false))
    #expect(link.server.read().result == .closed(clean: false))
    #expect(link.sockets.read(0).isEmpty)
  }

  @Test func `Data before close_notify is read first`() {
    let link = connected()
    #expect(link.client.write("last words") == .bytes(10))
    link.client.shutdown()
    link.sockets.close(0)
    #expect(link.server.readText() == "last words")
    #expect(link.server.read().result == .closed(clean: true))
  }

  @Test func `A connection cut in the middle of a record is not closed cleanly`() {
    let link = connected()
    #expect(link.client.write("0123456789") == .bytes(10))
    link.sockets.write(0, Array(link.sockets.read(1).dropLast(3)))
    link.sockets.close(0)
    #expect(link.server.read().result == .closed(clean: false))
  }

  @Test func `A broken record fails the connection for good`() {
    let link = connected()
    #expect(link.client.write("0123456789") == .bytes(10))
    var record = link.sockets.read(1)
    record[record.count - 1] ^= 1
    link.sockets.write(0, record)
    #expect(link.server.read().result == .failed)
    #expect(link.server.failure?.kind == .protocolViolation)
    #expect(link.server.read().result == .failed)
    #expect(link.server.write("x") == .failed)
    #expect(ERR_peek_error() == 0)
    // The alert tells the other side.
    #expect(link.client.read().result == .failed)
    #expect(link.client.failure?.kind == .refusedByPeer)
  }

  @Test func `Plain bytes in the middle fail the connection`() {
    let link = connected()
    link.sockets.write(0, Array("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(link.server.read().result == .failed)
    #expect(link.server.failure?.kind == .protocolViolation)
  }

  @Test func `Writing to a peer that is gone says so and leaves what it said to be read`() {
    let link = connected()
    #expect(link.server.write("bye") == .bytes(3))
    link.sockets.close(1)
    #expect(link.client.write("x") == .unwritable)
    #expect(link.client.write("x") == .unwritable)
    #expect(link.client.readText() == "bye")
    #expect(link.client.read().result == .closed(clean: false))
    #expect(link.client.failure == nil)
  }

  @Test func `An alert is heard behind a write that failed`() {
    let link = connected()
    // A broken record: the server answers with an alert, and goes.
    link.sockets.write(0, [23, 3, 3, 0, 17] + [UInt8](repeating: 0, count: 17))
    #expect(link.server.read().result == .failed)
    link.sockets.close(1)
    #expect(link.client.write("x") == .unwritable)
    #expect(link.client.read().result == .failed)
    #expect(link.client.failure?.kind == .refusedByPeer)
  }

  @Test func `An error that others left in OpenSSL's queue does no harm`() {
    let link = connected()
    func leaveError() {
      var bytes: [UInt8] = [0x30, 0x03, 0x01]
      bytes.withUnsafeMutableBufferPointer { buffer in
        var cursor: UnsafePointer<UInt8>? = UnsafePointer(buffer.baseAddress)
        #expect(d2i_X509(nil, &cursor, 3) == nil)
      }
      #expect(ERR_peek_error() != 0)
    }
    leaveError()
    #expect(link.server.read().result == .wantsRead)
    #expect(link.client.write("still here") == .bytes(10))
    #expect(link.server.readText() == "still here")
    leaveError()
    link.client.shutdown()
    #expect(link.server.read().result == .closed(clean: true))
    leaveError()
    let second = TestLink(client, server)
    #expect(second.handshake() == (.done, .done))
    ERR_clear_error()
  }

  @Test func `A connection outlives its owner's context`() throws {
    var context: ServerTLSContext? = try ServerTLSContext(certificates: [pki.server()], ticketKeys: TicketKeyRing())
    let link = TestLink(client, context!)
    context = nil
    #expect(link.handshake() == (.done, .done))
    #expect(link.client.write("x") == .bytes(1))
    #expect(link.server.readText() == "x")
  }

  @Test func `Every kind of failure has its own label`() {
    #expect(Set(TLSFailure.Kind.allCases.map { $0.label.description }).count == TLSFailure.Kind.allCases.count)
  }
}
