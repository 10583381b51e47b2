import Bytes
import HTTP
import HTTP1
import Reactor

/// The head of the request that goes to a backend: which of the client's fields reach it, and what the gateway adds.
///
/// Whatever could be mistaken for the gateway's own word is removed in every spelling before its own is added, so a
/// backend may believe these fields without asking who wrote them.
package struct RequestFields {
  /// What the gateway says of the request, gathered before the head is written.
  package struct Own {
    /// Canonical path, as matched; its query follows from the head.
    package var path: UnsafeBufferPointer<UInt8>
    package var query: UnsafeBufferPointer<UInt8>
    package var hasQuery: Bool
    package var methodName: UnsafeBufferPointer<UInt8>
    package var authority: UnsafeBufferPointer<UInt8>
    /// The internal token's field line up to the value, and the value; empty on a public route.
    package var tokenPrefix: UnsafeBufferPointer<UInt8>
    package var token: UnsafeBufferPointer<UInt8>
    /// UUIDv7 text (RFC 9562).
    package var requestID: UnsafeBufferPointer<UInt8>
    /// `traceparent` value to send on.
    package var traceparent: UnsafeBufferPointer<UInt8>
    package var forwardsTracestate: Bool
    /// The address of whoever opened the connection, as text: IPv6 without brackets.
    package var peer: UnsafeBufferPointer<UInt8>
    package var peerIsIPv6: Bool
    /// The peer is a proxy whose forwarding fields are believed and continued.
    package var trustsPeer: Bool
    package var forwardsAccessToken: Bool
    /// The route whose token sources say which fields carried the token.
    package var route: Route
    /// The version of HTTP that the request came in, as `Via` has it (RFC 9110 section 7.6.3).
    package var receivedProtocol: StaticString
    /// The internal token's field name, canonical.
    package var tokenFieldName: [UInt8]
  }

  /// Writes the whole head into `out`.
  package static func write(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout ByteQueue
  ) {
    out.append(own.methodName)
    out.append(0x20)
    out.append(own.path)
    if own.hasQuery {
      out.append(0x3f)
      out.append(own.query)
    }
    out.append(" HTTP/1.1\r\nHost: ")
    out.append(own.authority)
    out.append("\r\n")
    copyFields(head, bytes, own, to: &out)
    switch head.framing {
    case .none, .untilClose: break
    case .length(let count): HeadWriter.field("Content-Length", decimal: count, into: &out)
    case .chunked, .stream: out.append("Transfer-Encoding: chunked\r\n")
    }
    writeForwarding(head, bytes, own, to: &out)
    out.append("X-Request-Id: ")
    out.append(own.requestID)
    out.append("\r\nTraceparent: ")
    out.append(own.traceparent)
    if !own.token.isEmpty {
      out.append("\r\n")
      out.append(own.tokenPrefix)
      out.append(own.token)
    }
    out.append("\r\n\r\n")
  }

  private static func copyFields(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout ByteQueue
  ) {
    var index = 0
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      switch field.id {
      case .other:
        if TokenSource.sameName(field.name, own.tokenFieldName, bytes) { continue }
        if !own.forwardsAccessToken, carriesToken(field, bytes, own.route) { continue }
      case .host, .contentLength, .expect, .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort,
        .xForwardedPrefix, .xRealIP, .via, .xRequestID, .traceparent:
        continue
      case .tracestate:
        if !own.forwardsTracestate { continue }
      case .authorization:
        // The internal token may travel in this very field.
        if !own.forwardsAccessToken || TokenSource.sameName(field.name, own.tokenFieldName, bytes) { continue }
      case .cookie:
        if !own.forwardsAccessToken, own.route.removesCookies {
          if head.hasConnectionOptions, isNominated(field, head, bytes) { continue }
          copyCookies(field, bytes, own.route, to: &out)
          continue
        }
      default:
        if HopByHop.contains(field.id) { continue }
        if TokenSource.sameName(field.name, own.tokenFieldName, bytes) { continue }
        // A token may stand in a field that has a meaning of its own, like `Sec-WebSocket-Protocol`.
        if !own.forwardsAccessToken, carriesToken(field, bytes, own.route) { continue }
      }
      if head.hasConnectionOptions, isNominated(field, head, bytes) { continue }
      out.copy(field, bytes)
    }
  }

  private static func isNominated(
    _ field: HeaderField, _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    let name = UnsafeBufferPointer(rebasing: bytes[field.name.start..<field.name.end])
    return HopByHop.isNominated(name: name.span, by: head.fields, in: bytes.span)
  }

  private static func carriesToken(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>, _ route: Route) -> Bool {
    for source in route.removedSources {
      if case .field(let name, _) = source, TokenSource.sameName(field.name, name, bytes) { return true }
    }
    return false
  }

  /// A `Cookie` field without the cookies that carry tokens; no field at all when nothing is left.
  private static func copyCookies(
    _ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>, _ route: Route, to out: inout ByteQueue
  ) {
    var crumbs = CookieCrumbs(field.value)
    var isFirst = true
    while let crumb = crumbs.next(bytes) {
      if route.removedSources.contains(where: { source in
        if case .cookie(let name) = source { crumb.hasName(name, bytes) } else { false }
      }) {
        continue
      }
      out.append(isFirst ? "Cookie: " : "; ")
      out.append(UnsafeBufferPointer(rebasing: bytes[crumb.pair.start..<crumb.pair.end]))
      isFirst = false
    }
    if !isFirst { out.append("\r\n") }
  }

  /// `X-Forwarded-*`, `Forwarded` (RFC 7239) and `Via`. What the peer said of these is continued only if it is trusted.
  private static func writeForwarding(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout ByteQueue
  ) {
    out.append("X-Forwarded-For: ")
    if own.trustsPeer { continueList(.xForwardedFor, head, bytes, to: &out) }
    out.append(own.peer)
    out.append("\r\nX-Forwarded-Proto: ")
    if own.trustsPeer, let index = head.fields.first(.xForwardedProto) {
      out.append(UnsafeBufferPointer(rebasing: bytes[head.fields[index].value.start..<head.fields[index].value.end]))
    } else {
      out.append("https")
    }
    out.append("\r\nX-Forwarded-Host: ")
    if own.trustsPeer, let index = head.fields.first(.xForwardedHost) {
      out.append(UnsafeBufferPointer(rebasing: bytes[head.fields[index].value.start..<head.fields[index].value.end]))
    } else {
      out.append(own.authority)
    }
    out.append("\r\nForwarded: ")
    if own.trustsPeer { continueList(.forwarded, head, bytes, to: &out) }
    out.append(own.peerIsIPv6 ? "for=\"[" : "for=")
    out.append(own.peer)
    if own.peerIsIPv6 { out.append("]\"") }
    if !own.authority.isEmpty {
      // Quoted, since a port's colon is no token character (RFC 7239 section 4).
      out.append(";host=\"")
      out.append(own.authority)
      out.append("\"")
    }
    out.append(";proto=https\r\nVia: ")
    if own.trustsPeer { continueList(.via, head, bytes, to: &out) }
    out.append(own.receivedProtocol)
    out.append(" gatehouse\r\n")
  }

  /// What the fields named `id` hold, in order, with a comma behind each.
  private static func continueList(
    _ id: FieldName, _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue
  ) {
    var next = head.fields.first(id)
    while let index = next {
      let value = head.fields[index].value
      if !value.isEmpty {
        out.append(UnsafeBufferPointer(rebasing: bytes[value.start..<value.end]))
        out.append(", ")
      }
      next = head.fields.first(id, from: index + 1)
    }
  }
}
