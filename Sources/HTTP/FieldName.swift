/// The fields that the gateway itself reads, removes or sets; every other name is `other` and travels as bytes.
///
/// Recognised once, while the head is parsed. `_` counts as `-`, so that `X_Forwarded_For`, which many backends read as
/// `X-Forwarded-For`, meets the same rule.
@usableFromInline package enum FieldName: UInt8, BitwiseCopyable, CaseIterable, Sendable {
  case other
  case host, contentLength, transferEncoding, connection, keepAlive, proxyConnection, te, trailer, upgrade, expect
  case authorization, proxyAuthorization, cookie, origin, secFetchSite, dpop
  case forwarded, xForwardedFor, xForwardedProto, xForwardedHost, xForwardedPort, xForwardedPrefix, xRealIP, via
  case xRequestID, traceparent, tracestate
  case secWebSocketKey, secWebSocketProtocol, secWebSocketVersion, secWebSocketAccept
  case contentType, grpcTimeout, server, date, retryAfter, location, setCookie
  case http2Settings, proxyAuthenticate, wwwAuthenticate
}
