/// What becomes of a request's content before a backend's connection is taken for it. Up to a bound it is gathered here, so that a client
/// who sends slowly holds no connection of a backend's while it does: events in, what to do next out, no buffers.
///
/// A request whose content is complete within the bound asks for a connection when it is complete, a longer one when the bound is full.
package struct ContentGathering {
  package enum Phase: Equatable, Sendable {
    /// Nothing is gathered: content goes to the backend as it comes.
    case off
    /// Content is taken, and no connection was asked for.
    case gathering
    /// A connection was asked for. Nothing more is taken until what there is has been passed on.
    case holding
    /// What was gathered has gone to the backend; what still comes goes there at once.
    case passed
  }

  package enum Step: Equatable, Sendable {
    case more
    /// It is time to ask for a connection.
    case ask
  }

  /// What decides whether a request's content is gathered.
  package struct Request: Sendable {
    package var hasContent: Bool
    /// It opens a WebSocket.
    package var isTunnel: Bool
    /// Both ends stream, and the backend may have to answer before more comes: a gRPC call.
    package var isStream: Bool
    /// The client waits to be told by the backend that its content is wanted.
    package var expectsContinue: Bool

    package init(hasContent: Bool, isTunnel: Bool = false, isStream: Bool = false, expectsContinue: Bool = false) {
      self.hasContent = hasContent
      self.isTunnel = isTunnel
      self.isStream = isStream
      self.expectsContinue = expectsContinue
    }
  }

  package private(set) var phase = Phase.off
  /// Bytes of content that were gathered.
  package private(set) var count = 0
  private var bound = 0

  package init() {}

  /// Whether the request's content is gathered, up to `bound` bytes; 0 gathers nothing.
  package mutating func begin(_ request: Request, upTo bound: Int) -> Bool {
    guard bound > 0, request.hasContent, !request.isTunnel, !request.isStream, !request.expectsContinue else { return false }
    phase = .gathering
    count = 0
    self.bound = bound
    return true
  }

  /// Content was added to what is gathered: a run as it came, so the last may go past the bound.
  package mutating func took(_ bytes: Int) -> Step {
    guard phase == .gathering else { return .more }
    count &+= bytes
    guard count >= bound else { return .more }
    phase = .holding
    return .ask
  }

  /// The request is complete, or there is no memory for more of it.
  package mutating func ended() -> Step {
    guard phase == .gathering else { return .more }
    phase = .holding
    return .ask
  }

  /// What was gathered has gone to the backend.
  package mutating func passedOn() { if phase == .holding { phase = .passed } }

  /// Whether content that comes is to be added.
  package var takesContent: Bool { phase == .gathering }
  /// Whether there is, or may be, content that no backend has seen.
  package var holdsContent: Bool { phase == .gathering || phase == .holding }
}
