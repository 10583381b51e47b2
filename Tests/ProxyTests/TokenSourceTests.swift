import HTTP
import Proxy
import Testing

struct TokenSourceTests {
  enum Outcome: Equatable {
    case found(String)
    case missing, ambiguous
  }

  private static let field = TokenSource.field(name: Array("x-access-token".utf8), scheme: nil)
  private static let scheme = TokenSource.field(name: Array("x-auth".utf8), scheme: Array("token".utf8))
  private static let cookie = TokenSource.cookie(name: Array("access_token".utf8))

  private func search(_ sources: [TokenSource], _ fields: [String]) throws -> Outcome {
    try TestHead.withFields(fields) { head, bytes in
      switch TokenPlace.search(sources.map { TokenPlace($0, providers: [0]) }, head.fields, bytes.buffer) {
      case .found(let range, _, _): .found(bytes.text(range))
      case .missing: .missing
      case .ambiguous: .ambiguous
      }
    }
  }

  @Test(
    arguments: [
      (["Authorization: Bearer abc"], .found("abc")), (["authorization: bearer abc"], .found("abc")),
      (["AUTHORIZATION: BEARER   abc"], .found("abc")), (["Authorization: Bearer a b"], .found("a b")),
      // Empty, and so malformed: not the same as no token.
      (["Authorization: Bearer"], .found("")), (["Authorization: Bearer "], .found("")),
      ([], .missing), (["Authorization:"], .missing), (["Authorization: Basic abc"], .missing),
      (["Authorization: Bearerabc"], .missing),
      (["Authorization: Bear abc"], .missing), (["Authorization: Bearer\tabc"], .missing),
      (["Cookie: access_token=abc"], .missing),
      (["Authorization: Bearer abc", "Authorization: Bearer abc"], .ambiguous),
      (["Authorization: Bearer abc", "authorization: Basic x"], .ambiguous),
      (["Authorization: Basic x", "Authorization: Bearer abc"], .ambiguous),
      (["Authorization:", "Authorization: Bearer abc"], .ambiguous),
    ] as [([String], Outcome)])
  func `The bearer token stands in the one Authorization field`(fields: [String], outcome: Outcome) throws {
    #expect(try search([.bearer], fields) == outcome)
  }

  @Test(
    arguments: [
      (["X-Access-Token: abc"], .found("abc")), (["x_access_token: abc"], .found("abc")),
      (["X-Access_Token: abc"], .found("abc")),
      (["X-Access-Token:"], .found("")), (["X-Access-Tokens: abc"], .missing), (["X-Access-Toke: abc"], .missing),
      (["X-Access-Token: abc", "X-Access-Token: abc"], .ambiguous), (["X-Access-Token: abc", "x_access_token: abc"], .ambiguous),
    ] as [([String], Outcome)])
  func `A field of its own holds the token, in any spelling of its name`(fields: [String], outcome: Outcome) throws {
    #expect(try search([Self.field], fields) == outcome)
  }

  @Test(
    arguments: [
      ("X-Auth: Token abc", .found("abc")), ("X_AUTH: TOKEN  abc", .found("abc")), ("X-Auth: abc", .missing),
      ("X-Auth: Tokenabc", .missing),
      ("X-Auth: Token", .found("")), ("X-Auth: tok", .missing),
    ] as [(String, Outcome)])
  func `A field with a scheme holds the token behind it`(field: String, outcome: Outcome) throws {
    #expect(try search([Self.scheme], [field]) == outcome)
  }

  @Test(
    arguments: [
      (["Cookie: access_token=abc"], .found("abc")), (["Cookie: a=1; access_token=abc; b=2"], .found("abc")),
      (["Cookie: access_token=\"abc\""], .found("abc")), (["Cookie: access_token=a=b"], .found("a=b")),
      (["Cookie: access_token"], .found("")),
      (["Cookie: Access_Token=abc"], .missing), (["Cookie: access-token=abc"], .missing),
      (["Cookie: xaccess_token=abc"], .missing),
      (["Cookie: access_token=abc; access_token=abc"], .found("abc")),
      (["Cookie: access_token=abc; access_token=def"], .ambiguous),
      (["Cookie: access_token=abc", "Cookie: access_token=def"], .ambiguous),
      (["Cookie: a=1", "Cookie: access_token=abc"], .found("abc")),
    ] as [([String], Outcome)])
  func `A cookie holds the token, and two that differ are ambiguous`(fields: [String], outcome: Outcome) throws {
    #expect(try search([Self.cookie], fields) == outcome)
  }

  @Test(
    arguments: [
      (["Authorization: Bearer abc", "Cookie: access_token=abc"], .found("abc")),
      (["Authorization: Bearer abc", "Cookie: access_token=def"], .ambiguous),
      (["Authorization: Bearer abc", "Cookie: access_token=abcd"], .ambiguous),
      (["Authorization: Bearer abc", "Cookie: access_token="], .ambiguous),
      (["Authorization: Basic x", "Cookie: access_token=abc"], .found("abc")), (["Cookie: access_token=abc"], .found("abc")),
      (["Authorization: Bearer abc"], .found("abc")), (["Cookie: other=1"], .missing),
      (["Authorization: Bearer a", "Authorization: Bearer a", "Cookie: access_token=a"], .ambiguous),
      (["Cookie: access_token=a; access_token=b", "Authorization: Bearer a"], .ambiguous),
    ] as [([String], Outcome)])
  func `The same token in two places is one; two that differ are ambiguous, whichever is looked for first`(
    fields: [String], outcome: Outcome
  ) throws {
    #expect(try search([.bearer, Self.cookie], fields) == outcome)
    #expect(try search([Self.cookie, .bearer], fields) == outcome)
  }

  @Test func `Without sources nothing is found`() throws { #expect(try search([], ["Authorization: Bearer abc"]) == .missing) }

  private static let subprotocol = TokenSource.subprotocol(marker: Array("bearer".utf8))

  @Test(
    arguments: [
      (["Sec-WebSocket-Protocol: bearer, abc"], .found("abc")), (["Sec-WebSocket-Protocol: chat,bearer,abc , v2"], .found("abc")),
      (["Sec-WebSocket-Protocol: bearer", "sec-websocket-protocol: abc"], .found("abc")),
      (["Sec-WebSocket-Protocol: bearer, bearer"], .found("bearer")),
      (["Sec-WebSocket-Protocol: bearer"], .found("")), (["Sec-WebSocket-Protocol: chat, bearer,"], .found("")),
      (["Sec-WebSocket-Protocol: chat"], .missing), (["Sec-WebSocket-Protocol: Bearer, abc"], .missing), ([], .missing),
      (["Sec-WebSocket-Protocol: bearer, abc, bearer, abc"], .ambiguous),
      (["Sec-WebSocket-Protocol: bearer, abc", "Sec-WebSocket-Protocol: bearer, def"], .ambiguous),
      (["Sec-WebSocket-Protocol: bearer, a c"], .ambiguous), (["Sec-WebSocket-Protocol: bearer, abc, \"x\""], .ambiguous),
    ] as [([String], Outcome)])
  func `Among subprotocols the token stands behind its marker`(fields: [String], outcome: Outcome) throws {
    #expect(try search([Self.subprotocol], fields) == outcome)
  }

  @Test func `A subprotocol that differs from the header is ambiguous`() throws {
    let sources = [TokenSource.bearer, Self.subprotocol]
    #expect(try search(sources, ["Authorization: Bearer abc", "Sec-WebSocket-Protocol: bearer, abc"]) == .found("abc"))
    #expect(try search(sources, ["Authorization: Bearer abc", "Sec-WebSocket-Protocol: bearer, def"]) == .ambiguous)
  }

  @Test(
    arguments: [
      (["Authorization: Bearer abc"], .place(0), false), (["X-Access-Token: abc"], .place(1), false),
      (["Cookie: access_token=abc"], .place(2), true),
      (["Authorization: Bearer abc", "Cookie: access_token=abc"], .place(0), false),
      (["Authorization: Bearer abc", "X-Access-Token: abc"], .several, false),
      (["X-Access-Token: abc", "Cookie: access_token=abc"], .several, false),
      (["Authorization: Bearer abc", "X-Access-Token: abc", "Cookie: access_token=abc"], .several, false),
    ] as [([String], TokenHolder, Bool)])
  func `A token is for those in whose places it stands`(fields: [String], holder: TokenHolder, isInCookieOnly: Bool) throws {
    let places = [
      TokenPlace(.bearer, providers: [0]), TokenPlace(Self.field, providers: [1]), TokenPlace(Self.cookie, providers: [0]),
    ]
    let search = try TestHead.withFields(fields) { head, bytes in
      let search = TokenPlace.search(places, head.fields, bytes.buffer)
      if case .found(let range, _, _) = search { #expect(bytes.text(range) == "abc") }
      return search
    }
    guard case .found(_, let place, let onlyCookie) = search else {
      Issue.record("\(search)")
      return
    }
    #expect(place == holder && onlyCookie == isInCookieOnly)
  }
}
