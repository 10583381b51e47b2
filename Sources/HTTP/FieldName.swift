/// The fields that the gateway itself reads, removes or sets; every other name is `other` and travels as bytes.
///
/// Recognised once, while the head is parsed.
@usableFromInline package enum FieldName: UInt8, BitwiseCopyable, CaseIterable, Sendable {
  case other
  case host, contentLength, transferEncoding, connection, keepAlive, proxyConnection, te, trailer, upgrade, expect
  case authorization, proxyAuthorization, cookie, origin, secFetchSite, dpop
  case forwarded, xForwardedFor, xForwardedProto, xForwardedHost, xForwardedPort, xForwardedPrefix, xRealIP, via
  case xRequestID, traceparent, tracestate
  case secWebSocketKey, secWebSocketProtocol, secWebSocketVersion, secWebSocketAccept
  case contentType, grpcTimeout, server, date, retryAfter, location, setCookie
  case http2Settings, proxyAuthenticate, wwwAuthenticate
  /// A name that becomes one of the others on its way into an application: `X_Forwarded_For`, `X.Forwarded.For`. It is never read as
  /// that field, and no backend gets it.
  case lookAlike
  /// A field that makes of a request another one: `X-Original-URL`, `X-HTTP-Method-Override`, `Proxy`.
  case overriding
  /// A field in which a proxy says who the client is: `X-Forwarded-User`, `True-Client-IP`, `Client-Cert`.
  case believed
}
