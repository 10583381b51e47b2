import Bytes
import HTTP

/// What one request's line in the access log says. All bytes are borrowed for the time of `AccessLog.append`.
///
/// An empty text, like a nil number, is written as `null`: every line has every field. There is no place for a token, a
/// cookie or a query.
package struct AccessLogLine: ~Escapable {
  package typealias Text = Span<UInt8>

  /// How the request's access token was judged.
  package enum Token: UInt8, Sendable {
    /// None was needed, or none came.
    case none
    /// Its verification was remembered.
    case cached
    /// It was verified for this request.
    case verified

    var text: StaticString {
      switch self {
      case .none: return "none"
      case .cached: return "cached"
      case .verified: return "verified"
      }
    }
  }

  /// When the request's head was complete, in Unix milliseconds.
  package var time: Int64 = 0
  package var requestID: Text
  /// 32 hexadecimal digits.
  package var traceID: Text
  package var clientIP: Text
  package var clientIdentity: Text
  /// `HTTP/1.1` and so on.
  package var httpProtocol: StaticString = ""
  /// `TLSv1.3` and so on.
  package var tls: StaticString = ""
  /// The method as sent.
  package var method: Text
  package var host: Text
  /// The path without the query.
  package var path: Text
  package var route: Text
  package var status: UInt16?
  /// The denial code.
  package var code: Text
  package var issuer: Text
  package var subject: Text
  package var backend: Text
  package var endpoint: Text
  package var upstreamIdentity: Text
  package var token = Token.none
  /// Bytes of content, in from the client and out to it.
  package var bytesIn: UInt64 = 0
  package var bytesOut: UInt64 = 0
  /// Nanoseconds from the request's whole head to the answer's last byte.
  package var duration: UInt64 = 0
  /// Nanoseconds from the moment that a connection to the backend was asked for to the head of its answer.
  package var upstreamDuration: UInt64?
  /// Nanoseconds that the request waited for a connection to the backend; nil when one was there.
  package var upstreamWait: UInt64?

  @_lifetime(immortal)
  package init() {
    let none = Text()
    requestID = none
    traceID = none
    clientIP = none
    clientIdentity = none
    method = none
    host = none
    path = none
    route = none
    code = none
    issuer = none
    subject = none
    backend = none
    endpoint = none
    upstreamIdentity = none
  }
}
