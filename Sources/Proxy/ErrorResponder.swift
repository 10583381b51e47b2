import Bytes
import HTTP
import HTTP1

/// The one place that turns errors into answers: `application/problem+json` (RFC 9457), and the fields a client needs
/// to act on them. Says nothing of the gateway's insides.
package enum ErrorResponder {
  /// Seconds after which a client may try again what was refused for want of capacity or keys.
  private static let retryAfter: StaticString = "1"

  static func write(
    _ error: GatewayError, exchange: Exchange, persistence: ResponseFields.Persistence, worker: WorkerContext,
    to out: inout ByteQueue
  ) {
    begin(UInt16(error.status), worker, to: &out)
    switch error.status {
    case 401: challenge(error, to: &out)
    case 403 where error == .scopeMissing: insufficientScope(exchange.requiredScopes, to: &out)
    case 405:
      out.append("Allow: ")
      out.append(exchange.allowedMethods())
      out.append("\r\n")
    case 503: HeadWriter.field("Retry-After", retryAfter, into: &out)
    default: break
    }
    var content = ByteQueue()
    problem(error, exchange.requestID, to: &content)
    finish(
      content.readable, type: "application/problem+json", isHead: exchange.head.method == .head, persistence: persistence, to: &out)
  }

  /// A 200 with content that the gateway itself has.
  static func writeContent(
    _ content: [UInt8], type: StaticString, isHead: Bool, persistence: ResponseFields.Persistence, worker: WorkerContext,
    to out: inout ByteQueue
  ) {
    begin(200, worker, to: &out)
    content.withUnsafeBufferPointer { finish($0, type: type, isHead: isHead, persistence: persistence, to: &out) }
  }

  private static func begin(_ status: UInt16, _ worker: WorkerContext, to out: inout ByteQueue) {
    HeadWriter.statusLine(status, into: &out)
    worker.dateLine.append(now: worker.seconds, into: &out)
  }

  private static func finish(
    _ content: UnsafeBufferPointer<UInt8>, type: StaticString, isHead: Bool, persistence: ResponseFields.Persistence,
    to out: inout ByteQueue
  ) {
    HeadWriter.field("Content-Type", type, into: &out)
    HeadWriter.field("Content-Length", decimal: UInt64(content.count), into: &out)
    HeadWriter.field("Cache-Control", "no-store", into: &out)
    ResponseFields.end(persistence, to: &out)
    if !isHead { out.append(content) }
  }

  /// RFC 6750 section 3: no error code when the client simply showed no token.
  private static func challenge(_ error: GatewayError, to out: inout ByteQueue) {
    out.append("WWW-Authenticate: Bearer realm=\"gatehouse\"")
    if error != .tokenMissing {
      out.append(error == .tokenAmbiguous ? ", error=\"invalid_request\", error_description=\"" : ", error=\"invalid_token\", error_description=\"")
      out.append(error.title)
      out.append("\"")
    }
    out.append("\r\n")
  }

  private static func insufficientScope(_ scopes: [UInt8], to out: inout ByteQueue) {
    out.append("WWW-Authenticate: Bearer realm=\"gatehouse\", error=\"insufficient_scope\"")
    if !scopes.isEmpty {
      out.append(", scope=\"")
      out.append(scopes)
      out.append("\"")
    }
    out.append("\r\n")
  }

  /// The problem document. Everything in it is the gateway's own text but the request id, which is its own too.
  private static func problem(_ error: GatewayError, _ requestID: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue) {
    out.append("{\"type\":\"about:blank\",\"title\":\"")
    out.append(error.title)
    out.append("\",\"status\":")
    out.append(decimal: UInt64(error.status))
    out.append(",\"code\":\"")
    out.append(error.code)
    out.append("\",\"request_id\":\"")
    out.append(requestID)
    out.append("\"}\n")
  }
}
