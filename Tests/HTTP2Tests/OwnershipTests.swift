import Bytes
import HTTP
import HTTP2
import Testing

/// Holds its session, as connections do.
private final class Holder: HTTP2Owner {
  let session: HTTP2Session
  var onHead: (HTTP2Stream) -> Void = { _ in }
  private(set) var closed = 0

  init(_ session: HTTP2Session) {
    self.session = session
    super.init()
    session.owner = self
  }

  override func requestHead(_ stream: HTTP2Stream, endStream: Bool) { onHead(stream) }
  override func streamClosed(_ stream: HTTP2Stream) { closed += 1 }

  func receive(_ bytes: [UInt8]) { _ = bytes.withUnsafeBufferPointer { session.receive($0, now: 1) } }
}

@Suite("Who holds whom")
struct OwnershipTests {
  private let opening = Wire.preface + Wire.settings().bytes

  @Test("an owner and its session hold each other until the session is abandoned")
  func cycle() {
    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool())
    weak var owner: Holder?
    weak var session: HTTP2Session?
    weak var stream: HTTP2Stream?
    do {
      let holder = Holder(HTTP2Session(server: HTTP2Limits(), pool: pool))
      (owner, session) = (holder, holder.session)
      holder.onHead = { stream = $0 }
      holder.receive(opening + Wire.headers(1, Wire.post, endStream: false).bytes)
    }
    #expect(owner != nil && session != nil && stream != nil)
    session?.abandon()
    #expect(owner == nil && session == nil && stream == nil)
  }

  @Test("what is abandoned from within a call lives until the call is over")
  func abandonedInside() {
    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool())
    weak var session: HTTP2Session?
    weak var owner: Holder?
    var closed = 0
    do {
      let made = HTTP2Session(server: HTTP2Limits(), pool: pool)
      session = made
      do {
        let holder = Holder(made)
        owner = holder
        holder.onHead = { [unowned made] stream in
          made.abandon()
          // Nobody else holds the owner from here on.
          closed = owner?.closed ?? -1
          #expect(!stream.isOpen && !made.respond(stream, endStream: true) { $0.status(200) })
        }
      }
      #expect(owner != nil)
      let bytes = opening + Wire.headers(1, Wire.get).bytes + Wire.headers(3, Wire.get).bytes
      #expect(bytes.withUnsafeBufferPointer { made.receive($0, now: 1) } == .protocolError(.cancel))
      #expect(owner == nil)
      var out = ByteQueue()
      made.pull(into: &out, atMost: .max / 2, now: 1)
    }
    #expect(closed == 1)
    #expect(session == nil)
  }

  @Test("streams are kept for the next request, and no longer than their session when they are not")
  func streams() {
    let pool = HTTP2StreamPool(server: 10, buffers: BufferPool(), keep: 1)
    var holder: Holder? = Holder(HTTP2Session(server: HTTP2Limits(), pool: pool))
    weak var first: HTTP2Stream?
    weak var second: HTTP2Stream?
    holder?.onHead = { stream in if first == nil { first = stream } else { second = stream } }
    holder?.receive(opening + Wire.headers(1, Wire.get).bytes + Wire.headers(3, Wire.get).bytes)
    holder?.receive(Wire.reset(1).bytes + Wire.reset(3).bytes)
    #expect(pool.kept == 1)
    #expect((first == nil) != (second == nil))
    holder?.session.abandon()
    weak let gone = holder
    holder = nil
    #expect(gone == nil)
  }
}
