import Bytes
import HTTP
import HTTP2
import Limits

/// A stream of an HTTP/2 connection, as an exchange's client: content in as fast as the backend takes it, the answer out as
/// fast as the client does.
///
/// The object serves one request after another on the same connection, but only when nobody else holds it.
package final class HTTP2ClientStream {
  private let edge: HTTP2Edge
  /// The edge's own, which are asked for several times a request.
  let connection: DownstreamConnection
  private let session: HTTP2Session
  /// Nil once it is closed.
  private var stream: HTTP2Stream?
  private(set) var exchange: Exchange?
  /// When the present wait is over, and when the exchange's own time is up, in ms of the loop's clock; 0 for no bound.
  private var waitDeadline: UInt64 = 0
  private var exchangeDeadline: UInt64 = 0
  /// The nearer of them.
  private(set) var deadline: UInt64 = 0
  /// Content that had nowhere to go yet; never more than the stream's window.
  private var waiting = ByteQueue()
  private var trailers: [(name: [UInt8], value: [UInt8])] = []
  /// Something was handed to the exchange in this event.
  var isTouched = false
  private var isEnded = false
  private var isHandingOver = false
  /// When discarding ends, whatever comes, and how much had been discarded when that was looked at last.
  private var lingerEnd: UInt64 = 0
  private var discardedBefore = 0
  /// How the client takes its answer, once bytes of it were seen to wait.
  private var answerPace: AnswerPace?
  /// The route's word on that, of an exchange that has said all before anybody looked.
  private var answerRules: TransferPace.Rules?
  /// What counts as taken for it, and what the stream had sent and the connection's peer taken at the last look.
  private var answerTaken: UInt64 = 0
  private var sentThen: UInt64 = 0
  private var takenThen: UInt64 = 0

  init(_ edge: HTTP2Edge, _ stream: HTTP2Stream) {
    self.edge = edge
    connection = edge.connection
    session = edge.session
    self.stream = stream
  }

  /// Readies it for another request: `lost` was called for the last.
  func reopen(_ stream: HTTP2Stream) {
    self.stream = stream
    forgetDeadlines()
    waiting.removeAll()
    if !trailers.isEmpty { trailers = [] }
    if answerPace != nil { answerPace = nil }
    answerRules = nil
    isEnded = false
  }

  private var now: UInt64 { connection.loop.now }

  // MARK: The request

  /// The head is complete: an exchange takes it over.
  func begin(_ stream: HTTP2Stream) {
    let exchange = connection.worker.takeExchange(for: .http2(self))
    self.exchange = exchange
    let refusal = stream.headRefusal
    exchange.adoptHead(of: stream)
    if let refusal { return exchange.refuse(GatewayError(refusal)) }
    if connection.isOutdated { return exchange.refuse(.connectionOutdated) }
    if !stream.remoteEnded {
      edge.touch(self)
      wait(until: now &+ UInt64(connection.context.bodyTimeout))
    }
    exchange.begin()
  }

  func content(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let stream else { return }
    guard let exchange, !exchange.state.isOver else { return session.discardContent(stream) }
    guard waiting.isEmpty, exchange.takesContent else {
      waiting.borrow(from: connection.buffers)
      waiting.append(bytes)
      return
    }
    armContent(after: bytes.count)
    edge.touch(self)
    exchange.requestContent(bytes)
    session.consume(stream, bytes.count)
  }

  func trailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    if mayEnd { exchange?.requestTrailer(name, value) } else { trailers.append((Array(name), Array(value))) }
  }

  func messageEnded() {
    isEnded = true
    if mayEnd { endRequest() }
  }

  /// Whether the request's end has somewhere to go now. As its content it waits for the head to have gone ahead; a tunnel that is to
  /// be has no end before its answer, and hears so.
  private var mayEnd: Bool {
    guard waiting.isEmpty else { return false }
    guard let exchange, !exchange.state.isOver else { return true }
    return exchange.takesContent || exchange.state.isTunnel
  }

  /// The client's connection ends on its side: what is missing never comes.
  func inputEnded() {
    guard let stream, !stream.remoteEnded else { return }
    let exchange = self.exchange
    self.exchange = nil
    exchange?.clientGone()
  }

  private func endRequest() {
    wait(until: 0)
    for (name, value) in trailers {
      name.withUnsafeBufferPointer { name in value.withUnsafeBufferPointer { exchange?.requestTrailer(name, $0) } }
    }
    trailers = []
    exchange?.requestEnded()
  }

  /// The exchange takes content again.
  func resumeContent() {
    guard let stream, !isHandingOver else { return }
    isHandingOver = true
    while !waiting.isEmpty, let exchange, exchange.takesContent {
      let run = UnsafeBufferPointer(rebasing: waiting.readable.prefix(BufferPool.blockSize))
      armContent(after: run.count)
      exchange.requestContent(run)
      // It may have been too much: then the answer is given, and what waited is gone.
      guard self.exchange === exchange else {
        isHandingOver = false
        return connection.awaitTurnEnd()
      }
      waiting.consume(run.count)
      waiting.shrink(with: connection.buffers)
      session.consume(stream, run.count)
      exchange.contentPaused()
    }
    isHandingOver = false
    if waiting.isEmpty {
      waiting.giveBack(to: connection.buffers)
      if isEnded, let exchange, exchange.state.request == .receiving { endRequest() } else { armContent() }
    }
    // New window for the client.
    connection.awaitTurnEnd()
  }

  /// Nothing more comes in this event.
  func contentPaused() { exchange?.contentPaused() }

  // MARK: Deadlines

  private func armContent(after count: Int = 0) {
    guard !isEnded, let exchange, !exchange.head.isWebSocket else { return }
    wait(until: exchange.awaitContent(after: count))
  }

  func armExchange(until time: UInt64) {
    exchangeDeadline = time
    setDeadline()
  }

  private func wait(until time: UInt64) {
    waitDeadline = time
    setDeadline()
  }

  private func setDeadline() {
    deadline = exchangeDeadline > 0 && (waitDeadline == 0 || exchangeDeadline < waitDeadline) ? exchangeDeadline : waitDeadline
    if deadline > 0 { edge.wake(at: deadline) }
  }

  private func forgetDeadlines() {
    waitDeadline = 0
    exchangeDeadline = 0
    deadline = 0
  }

  func timeIsUp() {
    deadline = 0
    guard let exchange else {
      guard let stream else { return }
      // It is still sending: the response is read when that is done.
      if now < lingerEnd, stream.discarded > discardedBefore, session.givesWindow(stream) { return armLingering(stream) }
      // A client may read only when it has sent everything, and its window may be small: what waits for it is not taken back. One that
      // reads nothing at all is given up by its stall.
      session.resetBehindEnd(stream)
      return
    }
    if exchangeDeadline > 0, now >= exchangeDeadline { return exchange.timeIsUp() }
    if waiting.isEmpty, exchange.contentIsLate { return exchange.interrupt(.requestTimeout) }
    // Paused on the backend's behalf, whose own deadline bounds the wait.
    armContent()
  }

  // MARK: Answers that are not taken

  /// Whether bytes of an answer wait that nobody has looked at yet, or has.
  var isToBeLookedAt: Bool { answerPace != nil || (stream?.pendingOutput ?? 0) > 0 }

  /// Looks at how the client takes what waits on the stream, also when the backend has said all of it. To be called every so often.
  ///
  /// - Parameter taken: all that the peer has taken of the connection's bytes.
  func lookAtAnswer(_ taken: UInt64) {
    guard let stream else { return }
    let (sent, waiting) = (stream.contentSent, UInt64(stream.pendingOutput))
    if answerPace == nil {
      answerTaken = 0
      answerPace = AnswerPace(exchange?.answerRules ?? answerRules ?? connection.context.content, taken: 0, waiting: waiting, now: now)
    } else {
      let own = sent &- sentThen
      let line = taken > takenThen ? taken &- takenThen : 0
      // A client on a thin line takes from its streams by turns. Where nothing but the line holds this one up, it is the line that counts.
      answerTaken &+= session.isWindowSpent(stream) ? own : max(own, line)
      if let verdict = answerPace?.look(taken: answerTaken, waiting: waiting, now: now), verdict != .good { return giveUp(stream) }
    }
    sentThen = sent
    takenThen = max(taken, takenThen)
  }

  private func giveUp(_ stream: HTTP2Stream) {
    noteTooSlow()
    forgetDeadlines()
    session.reset(stream, .cancel)
    connection.awaitTurnEnd()
  }

  /// The stream is to end, by itself or with its connection, since the client does not take what waits for it.
  func noteTooSlow() {
    guard let stream, stream.pendingOutput > 0, let exchange else { return }
    self.exchange = nil
    exchange.clientIsTooSlow()
  }

  // MARK: The response

  /// Bytes of content that wait for the backend.
  var heldBytes: Int { waiting.count }

  /// Bytes that wait on the stream, above which the backend is paused.
  var isCongested: Bool { (stream?.pendingOutput ?? 0) > DownstreamConnection.highWater }

  func drained() { exchange?.clientDrained() }

  func respond(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) {
    guard let stream else { return }
    if head.isInterim {
      writing(head) { head in session.interim(stream) { ResponseFields.writeInterim(head, bytes, to: &$0) } }
      return
    }
    var isEmpty = exchange.head.method == .head || head.status == 204 || head.status == 304
    var framing = ResponseFields.Framing.asGiven
    if !isEmpty {
      switch head.framing {
      case .none: isEmpty = true
      case .length(let count): isEmpty = count == 0
      case .chunked, .untilClose, .stream: framing = .untilEnd
      }
    }
    writing(head) { head in
      session.respond(stream, endStream: isEmpty) {
        ResponseFields.write(
          head, bytes, framing: framing, persistence: .implied, now: connection.worker.seconds, to: &$0)
      }
    }
  }

  /// A borrowed head cannot be captured by a closure that might keep it; these do not.
  private func writing(_ head: borrowing ResponseHead, _ body: (borrowing ResponseHead) -> Void) { body(head) }

  func respondContinue() {
    guard let stream else { return }
    session.interim(stream) { $0.status(100) }
    connection.awaitTurnEnd()
  }

  /// 200 in answer to an extended CONNECT (RFC 8441 section 5).
  func respondTunnel(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) {
    guard let stream else { return }
    let marker = exchange.tokenProtocolMarker
    writing(head) { head in
      session.respond(stream, endStream: false) {
        ResponseFields.writeTunnel(head, bytes, status: 200, marker: marker, to: &$0)
      }
    }
  }

  func respondContent(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let stream else { return }
    session.send(stream, bytes)
  }

  func respondTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    guard let stream else { return }
    session.trailer(stream, name, value)
  }

  func respondEnd() {
    guard let stream else { return }
    session.end(stream)
  }

  func respondError(_ error: GatewayError, to exchange: Exchange) {
    guard let stream else { return }
    if let type = exchange.statusType { return respondStatus(error, type) }
    var problem = ByteQueue()
    ErrorResponder.problem(error, exchange.requestID, to: &problem)
    let count = problem.count
    let now = connection.worker.seconds
    let isHead = exchange.head.method == .head
    session.respond(stream, endStream: isHead) {
      ErrorResponder.writeHead(error, exchange: exchange, contentLength: count, persistence: .implied, now: now, to: &$0)
    }
    finish(problem.readable, isHead)
  }

  /// A refused gRPC call: a response of trailers only.
  private func respondStatus(_ error: GatewayError, _ type: StaticString) {
    guard let stream else { return }
    let now = connection.worker.seconds
    session.respond(stream, endStream: true) { GRPC.writeRefusal(error, type: type, now: now, to: &$0) }
  }

  func respondOwn(_ content: [UInt8], type: StaticString, status: UInt16, to exchange: Exchange) {
    guard let stream else { return }
    let now = connection.worker.seconds
    let isHead = exchange.head.method == .head
    session.respond(stream, endStream: isHead) {
      ErrorResponder.writeHead(status, ofType: type, contentLength: content.count, persistence: .implied, now: now, to: &$0)
    }
    content.withUnsafeBufferPointer { finish($0, isHead) }
  }

  private func finish(_ content: UnsafeBufferPointer<UInt8>, _ isHead: Bool) {
    guard !isHead, let stream else { return }
    session.send(stream, content)
    session.end(stream)
  }

  /// The answer is complete. What the client may still send is of no interest.
  func responseCompleted() {
    // A client that was told nothing has most likely sent nothing, and the stream is not kept for long in case that it has.
    let lingering = exchange?.expectation.phase == .refused ? DownstreamConnection.Lingering.brief : .patient
    if answerPace == nil, let exchange, let stream, stream.pendingOutput > 0 { answerRules = exchange.answerRules }
    exchange = nil
    forgetDeadlines()
    waiting.removeAll()
    waiting.giveBack(to: connection.buffers)
    if let stream, stream.remoteEnded { session.consume(stream, stream.unconsumed) }
    linger(lingering)
  }

  /// As on HTTP/1.1: the client is given time to end its side, so that it comes to read the answer.
  private func linger(_ lingering: DownstreamConnection.Lingering = .patient) {
    guard let stream, !stream.remoteEnded else { return }
    session.discardContent(stream)
    lingerEnd = now &+ DownstreamConnection.Lingering.patient.time
    armLingering(stream, lingering.pause)
  }

  private func armLingering(_ stream: HTTP2Stream, _ pause: UInt64 = DownstreamConnection.Lingering.patient.pause) {
    discardedBefore = stream.discarded
    wait(until: min(lingerEnd, now &+ pause))
  }

  func abort(_ error: GatewayError, isGRPC: Bool) {
    exchange = nil
    forgetDeadlines()
    if let stream {
      if isGRPC {
        session.trailers(stream) { GRPC.write(error, to: &$0) }
        linger()
      } else {
        session.reset(stream, .internalError)
      }
    }
    connection.awaitTurnEnd()
  }

  /// The stream is over, by whoever's doing.
  func lost() {
    stream = nil
    forgetDeadlines()
    if !isHandingOver {
      waiting.removeAll()
      waiting.giveBack(to: connection.buffers)
    }
    let exchange = self.exchange
    self.exchange = nil
    exchange?.clientGone()
  }
}
