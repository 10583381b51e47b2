import Upstream

/// The life of one request as a state machine: events in, one action out, no sockets.
///
/// Two halves run at once. The request comes from the client and goes to a backend; the response comes back, perhaps
/// before the request is over. This type knows how far each half is and decides what an event means: whether a failure
/// can be tried again, answered, or only be made visible by cutting the client off.
package struct ExchangeState {
  package enum Request {
    /// Content is still to come from the client.
    case receiving
    case complete
  }

  package enum Upstream {
    /// Not asked for a connection yet, or finished with it.
    case none
    /// A connection is asked for.
    case waiting
    /// The request's head is on its way.
    case sending
  }

  package enum Response {
    case none
    /// Its head has gone to the client.
    case started
    case complete
  }

  /// What the exchange does next.
  package enum Action: Equatable {
    case nothing
    /// Ask for another connection and send the request again, from its head.
    case retry
    /// The gateway answers by itself.
    case answer(GatewayError)
    /// The response has begun and cannot be finished: the client's connection is cut, so that it notices.
    case abort
    /// Nobody is left to answer: end the backend's work.
    case cancelUpstream
    /// The response is whole: finish the message towards the client.
    case finish
  }

  package private(set) var request = Request.receiving
  package private(set) var upstream = Upstream.none
  package private(set) var response = Response.none
  /// Content has been taken from the client and passed on: the request cannot be sent a second time.
  private var contentPassed = false
  private var isIdempotent = false
  /// The request opens a WebSocket: content flows only once the backend has agreed, and then both ways.
  package private(set) var isTunnel = false
  /// It was not to be: what the client sends through it goes nowhere.
  private var refusedTunnel = false
  private var retries = 0

  /// Retries of a request whose pooled connection turned out to be closed.
  private static let maximumRetries = 1

  package init() {}

  /// A head was read. `hasContent`: more of the request follows. `isTunnel`: it opens a WebSocket.
  package mutating func begin(isIdempotent: Bool, hasContent: Bool, isTunnel: Bool = false) {
    self = ExchangeState()
    self.isIdempotent = isIdempotent
    self.isTunnel = isTunnel
    if !hasContent { request = .complete }
  }

  /// The backend has agreed to a WebSocket.
  package mutating func tunnelOpened() {
    response = .started
    request = .receiving
  }

  /// The backend has answered otherwise: its response is like any other.
  package mutating func tunnelRefused() {
    isTunnel = false
    refusedTunnel = true
  }

  package var isOpenTunnel: Bool { isTunnel && response == .started }

  package mutating func upstreamAsked() { upstream = .waiting }

  /// There is no connection to come: what it was to be made by is no longer in force.
  package mutating func upstreamWithdrawn() { if upstream == .waiting { upstream = .none } }

  package mutating func upstreamReady() { upstream = .sending }

  package mutating func contentForwarded() { contentPassed = true }

  package mutating func requestEnded() { request = .complete }

  package mutating func responseBegan() { response = .started }

  /// Whether content from the client has somewhere to go now.
  package var takesContent: Bool {
    upstream == .sending && !refusedTunnel && (isTunnel ? response == .started : response != .complete)
  }

  package var isOver: Bool { response == .complete }

  /// The backend's response is whole.
  package mutating func responseEnded() -> Action {
    guard response == .started else { return .nothing }
    response = .complete
    upstream = .none
    return .finish
  }

  /// The gateway answers by itself: the response begins and ends with it.
  package mutating func answered() {
    response = .complete
    upstream = .none
  }

  /// RFC 9110 section 9.2.2: sent again only if nothing was answered, nothing is missing, and the backend either cannot
  /// have seen the request or may see it twice.
  package mutating func upstreamFailed(_ failure: UpstreamFailure) -> Action {
    guard response != .complete else { return .nothing }
    upstream = .none
    if response == .started {
      response = .complete
      return .abort
    }
    let harmless = failure.requestUnsent || isIdempotent
    if failure.kind == .reset, failure.connectionReused, !failure.responseStarted, harmless, !contentPassed,
      retries < Self.maximumRetries
    {
      retries += 1
      return .retry
    }
    response = .complete
    return .answer(GatewayError(failure.kind))
  }

  /// The client's connection is gone, or its request cannot be finished.
  package mutating func clientGone() -> Action {
    guard response != .complete else { return .nothing }
    response = .complete
    let wasUsed = upstream != .none
    upstream = .none
    return wasUsed ? .cancelUpstream : .nothing
  }

  /// The gateway gives the request up on its own account: a deadline, content that is too large or malformed.
  package mutating func interrupted(_ error: GatewayError) -> Action {
    switch response {
    case .complete: return .nothing
    case .started:
      response = .complete
      upstream = .none
      return .abort
    case .none:
      response = .complete
      upstream = .none
      return .answer(error)
    }
  }
}
