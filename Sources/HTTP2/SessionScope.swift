import Bytes
import CNghttp2

/// What nghttp2's callbacks find the session by: it is there while nghttp2 runs, and no longer. It stands on the stack of `receive` or
/// `pull` and holds the session and whoever is told; before and behind, nghttp2 knows nothing of us.
///
/// It is not copied, so what it holds is lent to a callback without a retain and a release each time, of which there were 25 a request: the
/// session and its owner where they stand, the stream taken out, since nobody else can reach it then.
struct SessionScope: ~Copyable {
  private let session: HTTP2Session
  private let owner: HTTP2Owner
  /// The stream that nghttp2 told of last: a frame's callbacks come one behind the other.
  private var stream: HTTP2Stream?
  private var streamID: Int32 = 0

  private init(_ session: HTTP2Session) {
    self.session = session
    owner = session.owner ?? HTTP2Owner()
  }

  /// Runs `body`, which calls nghttp2, so that its callbacks find `session`.
  static func run<Result>(_ session: HTTP2Session, _ body: () -> Result) -> Result {
    var scope = SessionScope(session)
    return withUnsafeMutablePointer(to: &scope) { pointer in
      nghttp2_session_set_user_data(session.handle, pointer)
      defer { nghttp2_session_set_user_data(session.handle, nil) }
      return body()
    }
  }

  /// Turns to the stream that a callback is about. Callbacks do not nest, so nobody has the last one by now.
  @inline(__always)
  mutating func turn(to id: Int32) {
    if id == streamID, stream?.state == .open { return }
    keep(id, id == 0 ? nil : session.stream(id))
  }

  /// The same, for a callback that is given what nghttp2 remembers.
  @inline(__always)
  mutating func turn(to id: Int32, _ token: UnsafeMutableRawPointer?) {
    if id == streamID, stream?.state == .open { return }
    keep(id, token.flatMap { session.live.find(SlotID(token: $0)) })
  }

  private mutating func keep(_ id: Int32, _ found: consuming HTTP2Stream?) {
    streamID = found == nil ? 0 : id
    stream = found
  }

  @inline(__always)
  borrowing func call<Result>(_ body: (HTTP2Session, HTTP2Owner) -> Result) -> Result { body(session, owner) }

  /// The stream, if we know it, for as long as a callback is about it.
  @inline(__always)
  mutating func lend() -> HTTP2Stream? { stream.take() }

  @inline(__always)
  mutating func takeBack(_ lent: consuming HTTP2Stream, _ id: Int32) {
    streamID = id
    stream = lent
  }
}

extension SlotID {
  /// As C takes it, in the place of an address.
  var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: UInt(token)) }

  init(token: UnsafeMutableRawPointer) { self.init(token: UInt64(UInt(bitPattern: token))) }
}
