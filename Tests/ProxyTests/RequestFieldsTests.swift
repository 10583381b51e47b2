import Bytes
import HTTP
import Routing
import Testing

@testable import Proxy

struct RequestFieldsTests {
  struct Options {
    var token = "internal"
    var peer = "192.0.2.1"
    var peerIsIPv6 = false
    var trustsPeer = false
    var forwardsAccessToken = false
    var forwardsTracestate = false
    var tokenField = "X-Internal-Token"
    var sources: [TokenSource] = [.bearer]
    var path = "/canonical"
    var forward: [String] = []
    var deciding: [String] = []
  }

  /// The head that goes to the backend, as lines.
  private func lines(_ request: String, _ change: (inout Options) -> Void = { _ in }) throws -> [String] {
    var options = Options()
    change(&options)
    let held = [
      options.path, options.tokenField, options.token, "018f-id", "00-trace-01", options.peer,
    ].map(HeldBytes.init)
    let text = try TestHead.withRequest(request) { head, bytes in
      func slice(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: bytes.buffer[range.bounds]) }
      let own = RequestFields.Own(
        path: held[0].buffer, query: slice(head.query), hasQuery: head.hasQuery, methodName: slice(head.methodRange),
        authority: slice(head.authority), tokenName: held[1].buffer, token: held[2].buffer, requestID: held[3].buffer,
        traceparent: held[4].buffer, forwardsTracestate: options.forwardsTracestate, peer: held[5].buffer,
        peerIsIPv6: options.peerIsIPv6, trustsPeer: options.trustsPeer, forwardsAccessToken: options.forwardsAccessToken,
        route: Route.make(sources: options.sources, forwardsAccessToken: options.forwardsAccessToken, forward: options.forward),
        via: head.minorVersion == 1 ? "1.1 gatehouse" : "1.0 gatehouse",
        reserved: ReservedNames(
          tokens: FieldNameSet([Array(options.tokenField.utf8)]), deciding: DecidingNames(options.deciding.map { Array($0.utf8) })
        ),
        webSocketKey: Array("a2V5".utf8))
      var out = ByteQueue()
      RequestFields.write(head, bytes.buffer, own, to: &out)
      out.append("\r\n")
      return String(decoding: out.readable, as: UTF8.self)
    }
    withExtendedLifetime(held) {}
    #expect(text.hasSuffix("\r\n\r\n"))
    #expect(!text.dropLast(4).contains("\r\n\r\n"))
    return text.split(separator: "\r\n").map(String.init)
  }

  private func get(_ fields: [String], _ change: (inout Options) -> Void = { _ in }) throws -> [String] {
    try lines("GET / HTTP/1.1\r\nHost: api.example.com\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n", change)
  }

  /// What the gateway adds to a plain GET.
  private static let own = [
    "GET /canonical HTTP/1.1", "Host: api.example.com", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https",
    "X-Forwarded-Host: api.example.com", "Forwarded: for=192.0.2.1;host=\"api.example.com\";proto=https", "Via: 1.1 gatehouse",
    "X-Request-Id: 018f-id", "Traceparent: 00-trace-01", "X-Internal-Token: internal",
  ]

  @Test func `A plain request gets the gateway's own fields, and the canonical path`() throws {
    #expect(try get([]) == Self.own)
  }

  @Test func `Method, query and host go on as they came`() throws {
    let sent = try lines("PURGE /a?x=1&y=%2F HTTP/1.1\r\nHost: API.example.com:8443\r\n\r\n")
    #expect(sent[0] == "PURGE /canonical?x=1&y=%2F HTTP/1.1")
    #expect(sent[1] == "Host: API.example.com:8443")
    #expect(try lines("GET /a? HTTP/1.1\r\nHost: h\r\n\r\n")[0] == "GET /canonical? HTTP/1.1")
  }

  @Test func `Ordinary fields are copied, with one space behind the colon`() throws {
    let sent = try get(["Accept: */*", "X-A:b", "x-Mixed:  \t c  ", "Accept: text/html", "Empty:", "Origin: https://a.example"])
    #expect(
      Set(sent).isSuperset(of: [
        "Accept: */*", "X-A: b", "x-Mixed: c", "Accept: text/html", "Empty: ", "Origin: https://a.example",
      ]))
    #expect(sent.count == Self.own.count + 6)
  }

  @Test(arguments: [
    "X-Internal-Token: forged", "x-internal-token: forged", "X_Internal_Token: forged", "X-INTERNAL_TOKEN: forged",
    "X-Request-Id: forged", "x_request_id: forged", "Traceparent: forged", "TRACEPARENT: forged", "Tracestate: forged",
    "X-Forwarded-For: 10.0.0.1", "X_Forwarded_For: 10.0.0.1", "x-forwarded-for: 10.0.0.1", "X-Forwarded-Proto: http",
    "x_forwarded_proto: http", "X-Forwarded-Host: evil", "X-Forwarded_Host: evil", "X-Forwarded-Port: 1", "X_Forwarded_Port: 1",
    "X-Forwarded-Prefix: /evil", "X-Real-IP: 10.0.0.1", "x_real_ip: 10.0.0.1", "Forwarded: for=10.0.0.1",
    "Authorization: Bearer abc", "authorization: Basic x",
    // Hop by hop.
    "Connection: keep-alive", "Keep-Alive: timeout=5", "Keep_Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers",
    "Trailer: X-Sum", "Upgrade: websocket", "Proxy-Authorization: Basic x", "HTTP2-Settings: AAMAAABk",
  ])
  func `A field that is the gateway's to say, or that ends here, does not pass in any spelling`(field: String) throws {
    #expect(try get([field]) == Self.own)
    #expect(try get([field, field]) == Self.own)
  }

  @Test(arguments: Array("!#$%&'*+.^_`|~"))
  func `Names are compared with every byte that is no letter or digit read as a dash`(byte: Character) throws {
    let names = [
      "X-Internal-Token", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-User", "X-Original-URL", "Client-Cert", "Content-Type",
    ]
    for name in names {
      let spelt = name.replacing("-", with: String(byte))
      #expect(try get(["\(spelt): forged", "\(spelt.lowercased()): forged"]) == Self.own)
      #expect(try get(["\(spelt): forged"]) { $0.trustsPeer = true } == Self.own)
      #expect(try get(["\(spelt): forged"]) { $0.forward = [name] } == Self.own)
    }
    #expect(try get(["X\(byte)Other-Name: 1"]).contains("X\(byte)Other-Name: 1"))
  }

  private static let overriding = [
    "X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "Proxy",
    "X-Host",
    "Script-Name", "Path-Info", "X-Script-Name", "X-Middleware-Subrequest", "X-Sendfile-Type", "X-Accel-Mapping",
    "X-HTTP-Host-Override",
    "X-Original-Host", "X-Original-Method",
  ]
  private static let believed = [
    "X-Forwarded-User", "X-Forwarded-Client-Cert", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Server",
    "X-Forwarded-By",
    "X-Forwarded", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
    "Client-Cert", "Client-Cert-Chain", "X-Client-Cert", "X-SSL-Client-Cert", "SSL-Client-Verify", "Remote-User", "X-Remote-User",
    "X-Remote-Group", "X-Auth-Request-Email", "X-Envoy-Original-Path", "Front-End-Https", "X-Scheme", "X-Webauth-User",
  ]
  /// As they always were: from nobody.
  private static let hops = ["X-Real-IP", "X-Forwarded-Port", "X-Forwarded-Prefix"]

  @Test(arguments: overriding + believed + hops)
  func `A field that frameworks believe stays here, unless the route names it`(name: String) throws {
    for spelling in [name, name.lowercased(), name.uppercased()] {
      #expect(try get(["\(spelling): forged"]) == Self.own)
      #expect(try get(["\(spelling): forged"]) { $0.forward = [name] }.contains("\(spelling): forged"))
    }
    #expect(try get(["\(name): forged"]) { $0.forward = [name + "x"] } == Self.own)
    let sent = try get(["\(name): said"]) { $0.trustsPeer = true }
    #expect(sent.contains("\(name): said") == Self.believed.contains(name))
  }

  @Test func `A look-alike of a field that routes decide by stays here, the field itself passes`() throws {
    let fields = ["x_version: 2", "X.Version: 2", "X-Version: 1", "X-Versions: 3", "x-VERSION: 1"]
    #expect(
      try get(fields) { $0.deciding = ["x-version"] }.filter { $0.lowercased().contains("version:") || $0.contains("Versions:") }
        == Array(fields.dropFirst(2)))
    #expect(Set(try get(fields)).isSuperset(of: fields))
  }

  @Test func `Names that only look like them pass`() throws {
    let names = [
      "X-Forwarde", "X-Forwarder-Id", "Proxys", "X-Client-Id", "X-Client-Version", "Client-Id", "X-Requested-With", "X-API-Key",
      "Remote", "Path", "X-SSL", "X-Originals", "Xaforwarded-User", "X-Clientaip", "Clientxcert", "Sslxclient-cert",
      "X-Http-Methods",
    ]
    let fields = names.map { "\($0): 1" }
    #expect(Set(try get(fields)).isSuperset(of: fields))
  }

  @Test func `What Connection nominates ends here, and the gateway's own fields cannot be nominated away`() throws {
    #expect(
      try get([
        "Connection: X-A, x_b ,X-Internal-Token, X-Request-Id,Host, X-Forwarded-For", "X-A: 1", "X_A: 1", "X-B: 2", "x_b: 2",
      ]) == Self.own)
    #expect(try get(["Connection: close, X-A", "Connection: X-C", "X-A: 1", "X-C: 1", "X-D: 1"]).contains("X-D: 1"))
    #expect(try get(["Connection: X-C", "Connection: X-A", "X-A: 1", "X-C: 1"]) == Self.own)
  }

  @Test func `A nominated Cookie ends here, whether or not cookies carry tokens`() throws {
    for sources in [[TokenSource.bearer], [.cookie(name: Array("t".utf8))]] {
      #expect(try get(["Connection: Cookie", "Cookie: a=1"]) { $0.sources = sources } == Self.own)
    }
  }

  @Test(
    arguments: [
      ("a=1; t=secret; b=2", "Cookie: a=1; b=2"), ("t=secret; b=2", "Cookie: b=2"), ("a=1; t=secret", "Cookie: a=1"),
      ("t=secret", nil), ("t=\"secret\"; t=other;", nil), ("a=1;T=2", "Cookie: a=1; T=2"), ("tt=1", "Cookie: tt=1"),
    ] as [(String, String?)])
  func `The cookie that carries the token is taken out`(cookie: String, left: String?) throws {
    let sent = try get(["Cookie: " + cookie]) { $0.sources = [.bearer, .cookie(name: Array("t".utf8))] }
    #expect(sent.filter { $0.hasPrefix("Cookie") } == (left.map { [$0] } ?? []))
    #expect(sent.count == Self.own.count + (left == nil ? 0 : 1))
  }

  @Test func `Cookies of a route that takes none are left as they are`() throws {
    #expect(try get(["Cookie: a=1;  t=2"]).contains("Cookie: a=1;  t=2"))
  }

  @Test(arguments: ["X-Access-Token", "x_access_token", "X-ACCESS_token"])
  func `The field that carries the token is taken out in any spelling`(name: String) throws {
    #expect(try get([name + ": secret"]) { $0.sources = [.field(name: Array("x-access-token".utf8), scheme: nil)] } == Self.own)
  }

  @Test func `A token in a field with a meaning of its own is taken out as well`() throws {
    let source = TokenSource.field(name: Array("sec-websocket-protocol".utf8), scheme: nil)
    #expect(try get(["Sec-WebSocket-Protocol: secret"]) { $0.sources = [source] } == Self.own)
    #expect(try get(["Sec-WebSocket-Protocol: chat"]).contains("Sec-WebSocket-Protocol: chat"))
  }

  @Test func `A route that says so forwards the access token where it stood`() throws {
    let sent = try get(["Authorization: Bearer abc", "Cookie: t=1", "X-Access-Token: def"]) {
      $0.forwardsAccessToken = true
      $0.sources = [.bearer, .cookie(name: [0x74]), .field(name: Array("x-access-token".utf8), scheme: nil)]
    }
    #expect(Set(sent).isSuperset(of: ["Authorization: Bearer abc", "Cookie: t=1", "X-Access-Token: def"]))
  }

  @Test func `An internal token in Authorization stands there alone`() throws {
    let sent = try get(["Authorization: Bearer abc"]) {
      $0.tokenField = "Authorization"
      $0.forwardsAccessToken = true
    }
    #expect(sent.filter { $0.lowercased().hasPrefix("authorization") } == ["Authorization: internal"])
  }

  @Test func `A public route carries no internal token, and no forged one either`() throws {
    let sent = try get(["X-Internal-Token: forged"]) { $0.token = "" }
    #expect(sent == Array(Self.own.dropLast()))
  }

  @Test func `A trace that is continued takes its state along`() throws {
    #expect(try get(["Tracestate: a=1"]) { $0.forwardsTracestate = true }.contains("Tracestate: a=1"))
  }

  @Test func `What a trusted proxy says of earlier hops is continued`() throws {
    let sent = try get([
      "X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X_Forwarded_For: 10.0.0.2", "X-Forwarded-Proto: http",
      "X-Forwarded-Host: www.example.com",
      "Forwarded: for=203.0.113.7", "Via: 1.0 old", "Via: 1.1 newer",
    ]) { $0.trustsPeer = true }
    #expect(
      sent[2...6] == [
        "X-Forwarded-For: 203.0.113.7, 10.0.0.1, 192.0.2.1", "X-Forwarded-Proto: http",
        "X-Forwarded-Host: www.example.com",
        "Forwarded: for=203.0.113.7, for=192.0.2.1;host=\"api.example.com\";proto=https",
        "Via: 1.0 old, 1.1 newer, 1.1 gatehouse",
      ])
  }

  @Test func `What anybody else says of earlier hops is not`() throws {
    let sent = try get(["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "Via: 1.0 old", "X_Forwarded_Host: evil"])
    #expect(sent == Self.own)
  }

  @Test func `An IPv6 peer is quoted and bracketed where RFC 7239 asks for it`() throws {
    let sent = try get([]) {
      $0.peer = "2001:db8::1"
      $0.peerIsIPv6 = true
    }
    #expect(sent.contains("X-Forwarded-For: 2001:db8::1"))
    #expect(sent.contains("Forwarded: for=\"[2001:db8::1]\";host=\"api.example.com\";proto=https"))
  }

  @Test(arguments: [
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n", ["Content-Length: 7"]),
    ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", ["Content-Length: 0"]),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n", ["Transfer-Encoding: chunked"]),
    ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", []),
    ("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 7\r\n\r\n", ["Content-Length: 7", "Expect: 100-continue"]),
    ("POST / HTTP/1.1\r\nHost: h\r\nConnection: expect\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n", ["Content-Length: 7", "Expect: 100-continue"]),
    ("POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n", ["Content-Length: 7"]),
    ("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", ["Content-Length: 0"]),
  ])
  func `Framing is written by the gateway, once, whatever its spelling was`(request: String, framing: [String]) throws {
    let sent = try lines(request)
    let written = sent.filter { line in
      let name = line.lowercased().replacing("_", with: "-")
      return name.hasPrefix("content-length") || name.hasPrefix("transfer-encoding") || name.hasPrefix("expect")
    }
    #expect(written == framing)
  }

  @Test func `An HTTP/1.0 request without a host goes on with an empty one, and says how it came`() throws {
    let sent = try lines("GET / HTTP/1.0\r\n\r\n")
    #expect(sent[0] == "GET /canonical HTTP/1.1")
    #expect(sent[1] == "Host: ")
    #expect(sent.contains("Forwarded: for=192.0.2.1;proto=https"))
    #expect(sent.contains("Via: 1.0 gatehouse"))
  }

  private static let handshake = [
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate",
  ]

  @Test func `A WebSocket's handshake is begun anew, with the gateway's own fields`() throws {
    let sent = try get(Self.handshake + ["Sec_WebSocket_Accept: x", "Sec-WebSocket-Protocol: chat"])
    let own = Self.own
    #expect(
      sent == Array(own[..<2]) + [
        "Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: chat", "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: a2V5",
      ] + own[2...])
  }

  @Test func `A handshake that is none asks nobody for an upgrade`() throws {
    let sent = try get(Array(Self.handshake.dropFirst()))
    #expect(!sent.contains { $0.lowercased().hasPrefix("upgrade") || $0.lowercased().hasPrefix("connection") })
  }

  @Test(
    arguments: [
      (["bearer, secret"], nil), (["chat, bearer, secret, v2"], "chat, v2"), (["chat, bearer", "secret, v2"], "chat, v2"),
      (["bearer"], nil), (["chat"], "chat"), (["bearer", "secret"], nil),
    ] as [([String], String?)])
  func `A token among the subprotocols is taken out with its marker`(fields: [String], left: String?) throws {
    let sent = try get(Self.handshake + fields.map { "Sec-WebSocket-Protocol: " + $0 }) {
      $0.sources = [.subprotocol(marker: Array("bearer".utf8))]
    }
    #expect(sent.filter { $0.hasPrefix("Sec-WebSocket-Protocol") } == (left.map { ["Sec-WebSocket-Protocol: " + $0] } ?? []))
  }

  @Test func `TE is this hop's affair in HTTP/1.1`() throws {
    #expect(try get(["TE: trailers, gzip"]) == Self.own)
  }
}
