import Bytes
import HTTP
import HTTP1

/// Whatever carries an exchange's request and its answer: an HTTP/1.1 connection or a stream of an HTTP/2 one.
///
/// An exchange speaks to its client through this alone, so there is one path of policy for all protocols.
package enum ClientStream {
  case http1(DownstreamConnection)
  case http2(HTTP2ClientStream)

  /// The connection under it: who is at the other end, and over what TLS.
  var connection: DownstreamConnection {
    switch self {
    case .http1(let connection): connection
    case .http2(let stream): stream.connection
    }
  }

  /// Whether the client takes the response slower than it comes.
  var isCongested: Bool {
    switch self {
    case .http1(let connection): connection.isCongested
    case .http2(let stream): stream.isCongested
    }
  }

  /// Whether what the client sends is being handed over right now; it will be followed by `Exchange.contentPaused`.
  var isInsideReceived: Bool {
    switch self {
    case .http1(let connection): connection.isInsideReceived
    case .http2(let stream): stream.connection.isInsideReceived
    }
  }

  /// Asks for `Exchange.clientDrained` once the client has taken what is waiting.
  func oweDrained() {
    switch self {
    case .http1(let connection): connection.oweDrained()
    case .http2: break  // A stream always says when it has drained.
    }
  }

  /// The head of a backend's response, final or interim.
  func respond(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) {
    switch self {
    case .http1(let connection): connection.respond(head, bytes, to: exchange)
    case .http2(let stream): stream.respond(head, bytes, to: exchange)
    }
  }

  /// 100, in the gateway's own name.
  func respondContinue() {
    switch self {
    case .http1(let connection): connection.respondContinue()
    case .http2(let stream): stream.respondContinue()
    }
  }

  /// The handshake's answer, after which content flows both ways until either side ends it.
  ///
  /// - Returns: the status that says so: 101, or 200 in HTTP/2.
  func respondTunnel(_ head: borrowing ResponseHead, _ bytes: UnsafeBufferPointer<UInt8>, to exchange: Exchange) -> Int {
    switch self {
    case .http1(let connection):
      connection.respondTunnel(head, bytes, to: exchange)
      return 101
    case .http2(let stream):
      stream.respondTunnel(head, bytes, to: exchange)
      return 200
    }
  }

  func respondContent(_ bytes: UnsafeBufferPointer<UInt8>) {
    switch self {
    case .http1(let connection): connection.respondContent(bytes)
    case .http2(let stream): stream.respondContent(bytes)
    }
  }

  func respondTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isFirst: Bool) {
    switch self {
    case .http1(let connection): connection.respondTrailer(name, value, isFirst: isFirst)
    case .http2(let stream): stream.respondTrailer(name, value)
    }
  }

  func respondEnd(hadTrailers: Bool) {
    switch self {
    case .http1(let connection): connection.respondEnd(hadTrailers: hadTrailers)
    case .http2(let stream): stream.respondEnd()
    }
  }

  /// The gateway's own answer, whole.
  func respondError(_ error: GatewayError, to exchange: Exchange) {
    switch self {
    case .http1(let connection): connection.respondError(error, to: exchange)
    case .http2(let stream): stream.respondError(error, to: exchange)
    }
  }

  /// 308: the same request, elsewhere. HTTP/1.1 only, since no TLS means no ALPN.
  func respondRedirect(to location: UnsafeBufferPointer<UInt8>, _ exchange: Exchange) {
    if case .http1(let connection) = self { connection.respondRedirect(to: location, exchange) }
  }

  /// Content that the gateway itself has.
  func respondOwn(_ content: [UInt8], type: StaticString, status: UInt16 = 200, to exchange: Exchange) {
    switch self {
    case .http1(let connection): connection.respondOwn(content, type: type, status: status, to: exchange)
    case .http2(let stream): stream.respondOwn(content, type: type, status: status, to: exchange)
    }
  }

  /// The response is whole and the exchange over.
  func responseCompleted() {
    switch self {
    case .http1(let connection): connection.responseCompleted()
    case .http2(let stream): stream.responseCompleted()
    }
  }

  /// Writes what has been produced.
  func finishTurn() {
    switch self {
    case .http1(let connection): connection.finishTurn()
    case .http2(let stream): stream.connection.awaitTurnEnd()
    }
  }

  /// The exchange can take content again.
  func resumeContent() {
    switch self {
    case .http1(let connection): connection.resumeContent()
    case .http2(let stream): stream.resumeContent()
    }
  }

  /// Asks for `Exchange.timeIsUp` at `time`, in ms of the loop's clock; 0 for never.
  func armExchange(until time: UInt64) {
    switch self {
    case .http1(let connection): connection.armExchange(until: time)
    case .http2(let stream): stream.armExchange(until: time)
    }
  }

  /// Cuts the client off in the middle of a response, so that it cannot take a part for the whole. A gRPC client is told why:
  /// its responses end with a status, and one that is not OK says it all.
  func abort(_ error: GatewayError, isGRPC: Bool) {
    switch self {
    case .http1(let connection): connection.abort()
    case .http2(let stream): stream.abort(error, isGRPC: isGRPC)
    }
  }
}
