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
    /// The internal token's field name and value; empty on a public route.
    package var tokenName: UnsafeBufferPointer<UInt8>
    package var token: UnsafeBufferPointer<UInt8>
    /// No other request will carry it.
    package var tokenIsUnique = false
    /// UUIDv7 text (RFC 9562).
    package var requestID: UnsafeBufferPointer<UInt8>
    /// `traceparent` value to send on.
    package var traceparent: UnsafeBufferPointer<UInt8>
    package var forwardsTracestate: Bool
    /// `https`, or `http` on a listener without TLS.
    package var scheme: StaticString = "https"
    /// The address of whoever opened the connection, as text: IPv6 without brackets; `unknown` when it has none (RFC 7239 section 6.2).
    package var peer: UnsafeBufferPointer<UInt8>
    package var peerIsIPv6: Bool
    /// The peer is a proxy whose forwarding fields are believed and continued.
    package var trustsPeer: Bool
    package var forwardsAccessToken: Bool
    /// The route whose token sources say which fields carried the token.
    package var route: Route
    /// What the gateway says in `Via`: the version of HTTP that the request came in, and itself (RFC 9110 section 7.6.3).
    package var via: StaticString
    package var reserved: ReservedNames
    /// `Sec-WebSocket-Key` of the handshake, when the request opens a WebSocket.
    package var webSocketKey: [UInt8] = []
  }

  /// Writes the whole head into `out`, but for the empty line that ends it in HTTP/1.1.
  package static func write<Output: FieldOutput & ~Copyable>(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout Output
  ) {
    out.request(own.methodName, own.path, own.hasQuery ? own.query : nil, own.authority, isWebSocket: head.isWebSocket)
    copyFields(head, bytes, own, to: &out)
    switch head.framing {
    case .none, .untilClose: break
    case .length(let count): out.field("Content-Length", decimal: count)
    case .chunked, .stream: out.chunked()
    }
    if head.expectsContinue { out.field("Expect", "100-continue") }
    if head.isWebSocket { out.webSocket(key: own.webSocketKey) }
    writeForwarding(head, bytes, own, to: &out)
    out.unique("X-Request-Id", own.requestID)
    out.unique("Traceparent", own.traceparent)
    // HPACK may keep the internal token: a user's next request then takes one byte for it instead of 600, Huffman coding included
    // (27,000 instructions). Only whole values match, and nobody guesses one that ends in a signature (RFC 7541 section 7.1).
    if own.token.isEmpty { return }
    if own.tokenIsUnique { out.unique(own.tokenName, own.token) } else { out.field(own.tokenName, own.token) }
  }

  private static func copyFields<Output: FieldOutput & ~Copyable>(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout Output
  ) {
    var index = 0
    var hasSubprotocols = false
    while index < head.fields.count {
      let field = head.fields[index]
      index &+= 1
      switch field.id {
      case .other:
        if isTakenOut(field, bytes, own) || own.reserved.haveLookAlike(slice(field.name, bytes).span) { continue }
      case .host, .contentLength, .expect, .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost, .via, .xRequestID,
        .traceparent,
        .lookAlike:
        continue
      case .overriding, .xForwardedPort, .xForwardedPrefix, .xRealIP:
        if !own.route.forwards(slice(field.name, bytes).span) || isTakenOut(field, bytes, own) { continue }
      case .believed:
        if !own.trustsPeer, !own.route.forwards(slice(field.name, bytes).span) { continue }
        if isTakenOut(field, bytes, own) { continue }
      case .tracestate:
        if !own.forwardsTracestate { continue }
      case .te:
        // The only thing HTTP/2 lets it say (RFC 9113 section 8.2.2), and gRPC asks for it.
        if hasTrailers(field, bytes) { out.acceptsTrailers() }
        continue
      case .secWebSocketKey, .secWebSocketVersion, .secWebSocketAccept:
        // The handshake is with the gateway, which begins one of its own.
        if head.isWebSocket { continue }
      case .secWebSocketProtocol:
        if !own.forwardsAccessToken, !own.route.access.subprotocolMarkers.isEmpty {
          // All of these fields are one list, which is written where the first of them stands.
          if !hasSubprotocols { copySubprotocols(head, bytes, own.route, to: &out) }
          hasSubprotocols = true
          continue
        }
        if isTakenOut(field, bytes, own) { continue }
      case .authorization:
        // The internal token may travel in this very field.
        if !own.forwardsAccessToken || own.reserved.holdToken(slice(field.name, bytes).span) { continue }
      case .cookie:
        if !own.forwardsAccessToken, own.route.access.removesCookies {
          if field.isNominated { continue }
          copyCookies(field, bytes, own.route, to: &out)
          continue
        }
      default:
        if HopByHop.contains(field.id) { continue }
        // A token may stand in a field that has a meaning of its own, like `Sec-WebSocket-Protocol`.
        if isTakenOut(field, bytes, own) { continue }
      }
      if field.isNominated { continue }
      out.copy(field, bytes)
    }
  }

  /// Whether the field stays here, in whatever spelling: one that carries internal tokens; an access token's, unless the route forwards
  /// it; an API key's, always.
  private static func isTakenOut(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own) -> Bool {
    let name = slice(field.name, bytes)
    if own.reserved.holdToken(name.span) { return true }
    return own.forwardsAccessToken
      ? own.route.access.keyNames.contains(name.span) : own.route.access.removedNames.contains(name.span)
  }

  private static func slice(_ range: ByteRange, _ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: bytes[range.bounds])
  }

  /// A `Cookie` field without the cookies that carry tokens; no field at all when nothing is left.
  private static func copyCookies<Output: FieldOutput & ~Copyable>(
    _ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>, _ route: Route, to out: inout Output
  ) {
    var value = ByteQueue()
    var crumbs = CookieCrumbs(field.value)
    while let crumb = crumbs.next(bytes) {
      let carriesToken = route.access.removedSources.contains { source in
        if case .cookie(let name) = source { crumb.hasName(name, bytes) } else { false }
      }
      if carriesToken { continue }
      if !value.isEmpty { value.append("; ") }
      value.append(UnsafeBufferPointer(rebasing: bytes[crumb.pair.bounds]))
    }
    if !value.isEmpty { out.field("Cookie", value.readable) }
  }

  /// The subprotocols offered, without those that are a token and its marker; no field at all when nothing is left.
  private static func copySubprotocols<Output: FieldOutput & ~Copyable>(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ route: Route, to out: inout Output
  ) {
    var value = ByteQueue()
    var list = Subprotocols(head.fields)
    while let element = list.next(head.fields, bytes) {
      if route.access.subprotocolMarkers.contains(where: { Subprotocols.isMarker(element, $0, bytes) }) {
        _ = list.next(head.fields, bytes)
        continue
      }
      if !value.isEmpty { value.append(", ") }
      value.append(UnsafeBufferPointer(rebasing: bytes[element.bounds]))
    }
    if !value.isEmpty { out.field("Sec-WebSocket-Protocol", value.readable) }
  }

  private static func hasTrailers(_ field: HeaderField, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var list = TokenList(field.value)
    while case .token(let token) = list.next(in: bytes.span) {
      if ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: bytes[token.bounds]), "trailers") { return true }
    }
    return false
  }

  /// `X-Forwarded-*`, `Forwarded` (RFC 7239) and `Via`. What the peer said of these is continued only if it is trusted.
  private static func writeForwarding<Output: FieldOutput & ~Copyable>(
    _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, _ own: borrowing Own, to out: inout Output
  ) {
    if own.trustsPeer {
      out.field("X-Forwarded-For") { value in
        continueList(.xForwardedFor, head, bytes, to: &value)
        value.append(own.peer)
      }
    } else {
      out.field("X-Forwarded-For", own.peer)
    }
    if own.trustsPeer, let index = head.fields.first(.xForwardedProto) {
      out.field("X-Forwarded-Proto", UnsafeBufferPointer(rebasing: bytes[head.fields[index].value.bounds]))
    } else {
      out.field("X-Forwarded-Proto", own.scheme)
    }
    if own.trustsPeer, let index = head.fields.first(.xForwardedHost) {
      out.field("X-Forwarded-Host", UnsafeBufferPointer(rebasing: bytes[head.fields[index].value.bounds]))
    } else {
      out.field("X-Forwarded-Host", own.authority)
    }
    out.field("Forwarded") { value in
      if own.trustsPeer { continueList(.forwarded, head, bytes, to: &value) }
      value.append(own.peerIsIPv6 ? "for=\"[" : "for=", own.peer.span)
      if own.peerIsIPv6 { value.append("]\"") }
      if own.authority.isEmpty {
        value.append(";proto=", own.scheme.bytes)
      } else {
        // Quoted, since a port's colon is no token character (RFC 7239 section 4).
        value.append(";host=\"", own.authority.span)
        value.append("\";proto=", own.scheme.bytes)
      }
    }
    if own.trustsPeer {
      out.field("Via") { value in
        continueList(.via, head, bytes, to: &value)
        value.append(own.via)
      }
    } else {
      out.field("Via", own.via)
    }
  }

  /// What the fields named `id` hold, in order, with a comma behind each.
  private static func continueList(
    _ id: FieldName, _ head: borrowing RequestHead, _ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteQueue
  ) {
    var next = head.fields.first(id)
    while let index = next {
      let value = head.fields[index].value
      if !value.isEmpty {
        out.append(UnsafeBufferPointer(rebasing: bytes[value.bounds]))
        out.append(", ")
      }
      next = head.fields.first(id, from: index + 1)
    }
  }
}
