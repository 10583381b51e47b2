import Bytes
import CLinux
import HTTP
import HTTP1
import HTTP2
import Limits
import Reactor
import TLS
import Telemetry
import Transport

/// An HTTP/1.1 connection from a client: frames requests, hands them to an `Exchange` one at a time, writes the answers
/// in order. What a request may do is not decided here.
public final class DownstreamConnection: SecureChannel {
  package enum State {
    /// A balancer says first whose connection this is.
    case proxyHeader
    case handshaking
    /// ALPN chose HTTP/2: `http2` reads and writes.
    case http2
    /// Between requests, nothing of the next one read.
    case idle
    case readingHead
    /// The request's content goes to the exchange.
    case readingContent
    /// The request is complete, its answer is not.
    case awaitingResponse
    /// The answer is complete; what is left of a short request is read and dropped, to keep the connection.
    case discarding
    /// The answer's last bytes are being written, then the connection ends.
    case flushing
    /// Our side is closed; what the client still sends is dropped, so that a reset does not take the answer from it.
    case lingering
  }

  /// How the content being read ends.
  enum Content {
    case none
    case length(UInt64)
    case chunked
    /// A WebSocket's bytes, until either side closes.
    case tunnel
  }

  package internal(set) var state = State.handshaking
  package let worker: WorkerContext
  package let context: ListenerContext
  /// What it has of its listener's connections, and gives back.
  private(set) var seat: ConnectionSeat
  /// Whoever is at the other end, by the socket's or a trusted balancer's word.
  package private(set) var peer: PeerAddress
  /// The peer's address as text, and whether what it says of earlier hops is believed.
  private(set) var peerText: [UInt8] = []
  private(set) var trustsPeer = false
  var proxyHeader = ProxyProtocolHeader()
  /// The first bytes may be an HTTP/2 client's preface (RFC 9113 section 3.4).
  var awaitsPreface = false
  var parser: RequestParser
  var decoder = ChunkedDecoder()
  var content = Content.none
  /// The request being served, from its first byte to the end of both halves.
  var exchange: Exchange?
  /// The HTTP/2 side, when ALPN chose it, until the connection closes; all else here is HTTP/1.1.
  private(set) var http2: HTTP2Edge?
  /// The response is framed in chunks.
  var responseIsChunked = false
  /// HEAD, 204, 304: whatever the backend says, no content follows.
  var responseHasNoContent = false
  /// The connection ends with the response being written.
  var closesAfterResponse = false
  /// The client has ended its side of a tunnel.
  var tunnelIsEnding = false
  /// It speaks without TLS on a listener that has it: it is told so, and nothing else.
  private(set) var isMisplaced = false
  private var hasLooked = false
  /// Requests go where routes say.
  var servesRoutes: Bool { context.servesRoutes && !isMisplaced }
  /// A reload has withdrawn what it was let in by: no request that begins from now on is served.
  var isOutdated = false
  /// Bytes dropped while lingering, and how it is to be bounded.
  var lingered = 0
  var lingering = Lingering.brief
  /// When discarding or lingering ends, whatever comes, in ms of the loop's clock.
  var lingerEnd: UInt64 = 0
  var isAtRest = false
  /// Where it stands among those whose buffers are kept; -1 for nowhere.
  var warmPlace = -1
  /// `received` is on the stack, and will look at `input` once more if told so.
  private(set) var isInsideReceived = false
  var looksAgain = false
  var lingers = false
  /// The head or the framing was refused: there may be more on its way.
  var endedInError = false
  /// When the exchange's own time is up, and when the present wait is over, in ms of the loop's clock; 0 for no bound.
  var exchangeDeadline: UInt64 = 0
  var waitDeadline: UInt64 = 0
  /// How the client takes its answer, once bytes of it have waited, and when that is looked at next; 0 while none wait.
  var answerPace: AnswerPace?
  var answerDeadline: UInt64 = 0

  /// Bytes of further requests kept while one is being answered.
  static let pipelineLimit = 32 << 10
  /// Content read and dropped after an early answer, to keep the connection.
  static let discardLimit: UInt64 = 64 << 10
  /// What is read on and dropped behind an answer, so that the client comes to read it: bytes, milliseconds in all, and milliseconds
  /// without anything.
  struct Lingering: Equatable {
    let bytes: Int
    let time: UInt64
    let pause: UInt64

    /// For clients that send all they have before they read.
    static let patient = Lingering(bytes: 64 << 20, time: 30_000, pause: 5_000)
    /// For those that come when as many linger already as may, of all or of the client.
    static let brief = Lingering(bytes: 1 << 20, time: 2_000, pause: 2_000)
  }
  /// Bytes that are dropped in one turn.
  static let lingerStep = 1 << 20
  /// Milliseconds without a request after which OpenSSL's buffers are given back.
  static let restAfter = 5_000

  init(
    worker: WorkerContext, context: ListenerContext, seat: ConnectionSeat, descriptor: Int32, peer: PeerAddress, wire: consuming Wire
  ) {
    self.worker = worker
    self.context = context
    self.seat = seat
    self.peer = peer
    parser = RequestParser(
      limits: HeadLimits(headerBytes: context.headerBytes, headerCount: context.headerCount, uriBytes: context.uriBytes))
    super.init(loop: worker.loop, descriptor: descriptor, wire: wire, phase: .handshaking, buffers: worker.buffers)
    endsWithPeer = true
    know(peer)
    if context.isIntroduced(by: peer) { state = .proxyHeader }
  }

  func know(_ peer: PeerAddress) {
    self.peer = peer
    var text = ByteQueue()
    peer.append(to: &text)
    peerText = Array(text.readable)
    trustsPeer = context.trusts(peer)
  }

  /// A balancer has said whose connection it is; of its own it says nothing, and then it is the balancer's. False when that one has enough.
  func introduce(_ client: PeerAddress?) -> Bool {
    guard seat.name((client ?? peer).client, context.connections(of: worker.number)) else { return false }
    if let client { know(client) }
    return true
  }

  private static let unknownPeer = Array("unknown".utf8)
  /// The peer's address as it is told to backends.
  var forwardedPeer: [UInt8] { peer.isUnspecified ? Self.unknownPeer : peerText }

  var peerIsIPv6: Bool { !peer.isIPv4 && !peer.isUnspecified }

  // MARK: SecureChannel

  public override func handshakeCompleted() {
    if wire.isEncrypted { worker.handshakeEnded(wire.isResumed ? .resumed : .succeeded) }
    if wire.negotiatedProtocol == .h2 { return becomeHTTP2() }
    if case .plaintext(.serves) = context.security { awaitsPreface = true }
    state = .idle
    armIdle()
  }

  private func becomeHTTP2() {
    worker.becameHTTP2()
    state = .http2
    let edge = HTTP2Edge(self)
    http2 = edge
    // The server's SETTINGS need not wait for the client's (RFC 9113 section 3.4).
    edge.write()
    guard isOpen else { return }
    stayWarm()
    edge.rearm()
  }

  /// TLS begins with a byte that no method has (RFC 8446 section 5.1), so that plain HTTP is known before OpenSSL is given any of it.
  func lookAtFirstByte() {
    guard wire.isEncrypted, let byte = Syscall.firstByte(descriptor.raw) else { return }
    hasLooked = true
    guard byte | 0x20 >= UInt8(ascii: "a"), byte | 0x20 <= UInt8(ascii: "z") else { return }
    worker.handshakeEnded(.failed)
    isMisplaced = true
    wire = Wire(plain: descriptor.raw)
  }

  /// It ends before it can carry a request.
  func countRefused(_ reason: WorkerCounts.ConnectionRefusal) {
    worker.metrics.countRefusedConnection(listener: context.metricID, reason)
  }

  public override func handshakeFailed(_ failure: TransportFailure) {
    worker.handshakeEnded(.failed)
    countRefused(.handshakeFailure)
    close()
  }

  public override func received() {
    isInsideReceived = true
    repeat {
      looksAgain = false
      process()
    } while looksAgain && isOpen
    isInsideReceived = false
    if hasInputEnded, isOpen { inputEnded() }
  }

  /// Reads on where reading is paused, and takes what is in `input`. An answer made on the spot, or a backend that takes content again,
  /// comes here from within `received`, which then looks again.
  func readOn() {
    if isInsideReceived, !input.isEmpty { looksAgain = true }
    if isReadingPaused {
      resumeReading()
    } else if !input.isEmpty, !isInsideReceived {
      deliverInput()
    }
  }

  /// Takes what is in `input` as far as it goes, and writes what came of it.
  private func process() {
    while isOpen {
      switch state {
      case .proxyHeader, .handshaking:
        return
      case .http2:
        if !input.isEmpty { http2?.received() }
        return finishTurn()
      case .idle:
        if input.isEmpty { return finishTurn() }
        // A client that reads no answers gets no further requests served.
        if isCongested {
          oweDrained()
          pauseReading(watching: true)
          return finishTurn()
        }
        beginRequest()
      case .readingHead:
        guard readHead() else { return finishTurn() }
      case .readingContent:
        guard readContent() else { return finishTurn() }
      case .awaitingResponse:
        if input.count > Self.pipelineLimit { pauseReading(watching: true) }
        return finishTurn()
      case .discarding:
        guard discardContent() else { return finishTurn() }
      case .flushing:
        input.removeAll()
        return finishTurn()
      case .lingering:
        return input.removeAll()
      }
    }
  }

  /// Writes what this turn has produced, in one piece.
  func finishTurn() {
    guard isOpen else { return }
    if state == .http2 { return finishHTTP2Turn() }
    if !output.isEmpty { flush() }
    exchange?.contentPaused()
    guard isOpen else { return }
    switch state {
    case .flushing where output.isEmpty: endAfterFlush()
    case .awaitingResponse, .readingContent: if !output.isEmpty, answerDeadline == 0 { watchAnswer() }
    default: break
    }
  }

  private func finishHTTP2Turn() {
    http2?.contentPaused()
    // What the turn's other events have for these streams goes out in the same records.
    awaitTurnEnd()
  }

  public override func turnEnding() { http2?.write() }

  public override func drained() {
    if state == .http2 { http2?.write() }
    exchange?.clientDrained()
    guard isOpen else { return }
    if isReadingPaused, state == .idle { readOn() }
  }

  public override func ready(_ readiness: Readiness) {
    if state == .proxyHeader { return readProxyHeader() }
    if state == .lingering { return dropInput() }
    if state == .handshaking, !hasLooked { lookAtFirstByte() }
    super.ready(readiness)
    // The rest of a last answer may have left in this event.
    if isOpen, state == .flushing, output.isEmpty { endAfterFlush() }
  }

  public override func ended(clean: Bool) {
    if clean {
      endInput()
      return inputEnded()
    }
    // Anybody on the path can do that, or its system has ended it.
    switch state {
    case .flushing where !output.isEmpty:
      // It has sent all it wanted and may still be reading: the answer's deadline bounds the wait.
      pauseReading()
    case .readingContent where content.isTunnel:
      endTunnel()
    default:
      close()
    }
  }

  public override func failed(_ failure: TransportFailure) { close() }

  // MARK: Requests

  private func beginRequest() {
    exchange = worker.takeExchange(for: .http1(self))
    parser.reset()
    state = .readingHead
    isAtRest = false
    arm(context.headerTimeout)
  }

  /// True when the state has moved on.
  private func readHead() -> Bool {
    guard let exchange else { return false }
    let bytes = input.readable
    if awaitsPreface, let isPreface = HTTP2Preface.recognise(bytes) {
      awaitsPreface = false
      if isPreface {
        self.exchange = nil
        exchange.discard()
        becomeHTTP2()
        return true
      }
    } else if awaitsPreface {
      return false
    }
    switch parser.parse(bytes.span, into: &exchange.head) {
    case .needMore:
      return false
    case .failed(let error):
      exchange.keepHead(UnsafeBufferPointer(rebasing: bytes[..<min(bytes.count, context.headerBytes)]), complete: false)
      // Where the next request begins is anybody's guess from here on.
      input.removeAll()
      content = .none
      closesAfterResponse = true
      endedInError = true
      state = .awaitingResponse
      exchange.refuse(GatewayError(error))
      return true
    case .complete:
      let length = exchange.head.length
      exchange.keepHead(UnsafeBufferPointer(rebasing: bytes[..<length]), complete: true)
      input.consume(length)
      startExchange(exchange)
      return true
    }
  }

  private func startExchange(_ exchange: Exchange) {
    closesAfterResponse = !exchange.head.isPersistent || worker.isDraining || isOutdated || isMisplaced || (hasInputEnded && input.isEmpty)
    switch exchange.head.framing {
    case .length(let count) where count > 0:
      content = .length(count)
      state = .readingContent
    case .chunked:
      content = .chunked
      decoder = ChunkedDecoder()
      state = .readingContent
    default:
      content = .none
      state = .awaitingResponse
    }
    if state == .readingContent {
      arm(context.bodyTimeout)
    } else {
      arm(0)
    }
    if isOutdated { return exchange.refuse(.connectionOutdated) }
    exchange.begin()
  }

  public override func deadlineReached() { timeIsUp() }

  public override func closing() {
    // Its streams and its exchange hear of the end before its places are given back: what they do then may look as if it went on.
    http2?.connectionGone()
    let exchange = self.exchange
    self.exchange = nil
    if state == .readingHead { exchange?.discard() } else { exchange?.clientGone() }
    if state == .lingering, lingering == .patient { worker.lingering.give(1, from: lingerer) }
    leaveWarm()
    seat.leave()
    worker.connectionClosed(isHTTP2: http2 != nil)
    http2 = nil
  }
}

extension DownstreamConnection.Content {
  var isUnfinished: Bool {
    switch self {
    case .none: false
    case .length(let rest): rest > 0
    case .chunked, .tunnel: true
    }
  }

  var isTunnel: Bool { if case .tunnel = self { true } else { false } }
}
