import Bytes
import HTTP
import HTTP1
import Tokens

/// The one place that turns errors into answers: `application/problem+json` (RFC 9457), and the fields a client needs
/// to act on them. Says nothing of the gateway's insides.
package enum ErrorResponder {
  /// Seconds after which a client may try again what was refused for want of capacity or keys.
  private static let retryAfter: StaticString = "1"

  /// Writes status and fields of the answer to `error`, whose content is `count` bytes of `problem`.
  static func writeHead<Output: FieldOutput & ~Copyable>(
    _ error: GatewayError, exchange: Exchange, contentLength count: Int, persistence: ResponseFields.Persistence, now: Int64,
    to out: inout Output
  ) {
    out.status(UInt16(error.status))
    ResponseFields.date(now, to: &out)
    switch error.status {
    case 401:
      if !error.isAboutProof { challenge(error, [], to: &out) }
      if error.isAboutProof || exchange.route?.access.acceptsProofs == true { challengeProof(error, to: &out) }
      if error == .proofNonce { DPoPNonces.process.current(now: now).withUnsafeBufferPointer { out.field("DPoP-Nonce", $0) } }
    case 403 where error == .scopeMissing: challenge(error, exchange.requiredScopes, to: &out)
    case 405: exchange.allowedMethods().withUnsafeBufferPointer { out.field("Allow", $0) }
    case 503: out.field("Retry-After", retryAfter)
    default: break
    }
    finish("application/problem+json", count, persistence, to: &out)
  }

  /// Writes status and fields for content that the gateway itself has.
  static func writeHead<Output: FieldOutput & ~Copyable>(
    _ status: UInt16, ofType type: StaticString, contentLength count: Int, persistence: ResponseFields.Persistence, now: Int64,
    to out: inout Output
  ) {
    out.status(status)
    ResponseFields.date(now, to: &out)
    finish(type, count, persistence, to: &out)
  }

  /// Writes the whole head of a redirection that keeps method and content (RFC 9110 section 15.4.9); there is nothing else to it.
  static func writeRedirect<Output: FieldOutput & ~Copyable>(
    to location: UnsafeBufferPointer<UInt8>, persistence: ResponseFields.Persistence, now: Int64, to out: inout Output
  ) {
    out.status(308)
    ResponseFields.date(now, to: &out)
    out.field("Location", location)
    out.field("Content-Length", "0")
    ResponseFields.end(persistence, to: &out)
  }

  private static func finish<Output: FieldOutput & ~Copyable>(
    _ type: StaticString, _ count: Int, _ persistence: ResponseFields.Persistence, to out: inout Output
  ) {
    out.field("Content-Type", type)
    out.field("Content-Length", decimal: UInt64(count))
    out.field("Cache-Control", "no-store")
    ResponseFields.end(persistence, to: &out)
  }

  /// `WWW-Authenticate` of RFC 6750 section 3: no error code when the client simply showed no token.
  private static func challenge<Output: FieldOutput & ~Copyable>(
    _ error: GatewayError, _ scopes: [UInt8], to out: inout Output
  ) {
    var value = ByteQueue()
    value.append("Bearer realm=\"gatehouse\"")
    switch error {
    case .tokenMissing: break
    case .scopeMissing:
      value.append(", error=\"insufficient_scope\"")
      if !scopes.isEmpty {
        value.append(", scope=\"")
        value.append(scopes)
        value.append("\"")
      }
    default:
      value.append(error == .tokenAmbiguous ? ", error=\"invalid_request\"" : ", error=\"invalid_token\"")
      value.append(", error_description=\"")
      value.append(error.title)
      value.append("\"")
    }
    out.field("WWW-Authenticate", value.readable)
  }

  /// `WWW-Authenticate` of RFC 9449 section 7.1, beside that of RFC 6750 where either kind of token is taken.
  private static func challengeProof<Output: FieldOutput & ~Copyable>(_ error: GatewayError, to out: inout Output) {
    var value = ByteQueue()
    value.append("DPoP realm=\"gatehouse\"")
    if error.isAboutProof {
      value.append(error == .proofNonce ? ", error=\"use_dpop_nonce\"" : ", error=\"invalid_dpop_proof\"")
      value.append(", error_description=\"")
      value.append(error.title)
      value.append("\"")
    }
    value.append(", algs=\"")
    for (index, algorithm) in DPoPProof.algorithms.enumerated() {
      if index > 0 { value.append(" ") }
      value.append(algorithm.name)
    }
    value.append("\"")
    out.field("WWW-Authenticate", value.readable)
  }

  /// The problem document. Everything in it is the gateway's own text but the request id, which is its own too.
  static func problem(_ error: GatewayError, _ requestID: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue) {
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
