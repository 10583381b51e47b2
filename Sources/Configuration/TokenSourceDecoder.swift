import HTTP

/// An entry of `token_from`: a place where a provider's tokens may stand.
enum TokenSourceDecoder {
  private static let kinds = ["header", "cookie", "query", "websocket_protocol"]

  /// The place, and for a cookie the other sites whose pages may use it.
  static func decode(_ cursor: Cursor) -> (source: TokenSourceSettings, origins: [String])? {
    guard let values = cursor.mapping(["header", "scheme", "cookie", "origins", "query", "websocket_protocol"]) else { return nil }
    let named = kinds.filter { values[$0] != nil }
    guard named.count == 1, let kind = named.first, let value = values[kind] else {
      if values.misspelt.isEmpty {
        cursor.report(
          "a place to look for tokens is one of `{ header: NAME, scheme: SCHEME }`, `{ cookie: NAME }`, `{ query: NAME }` and "
            + "`{ websocket_protocol: MARKER }`")
      }
      return nil
    }
    if kind != "header" { values["scheme"]?.report("only a header has a `scheme`: leave it out") }
    if kind != "cookie" { values["origins"]?.report("only a cookie has `origins`: leave them out") }
    switch kind {
    case "header": return header(value, values["scheme"]).map { ($0, []) }
    case "cookie":
      let origins = values["origins"]?.list("https://app.example.com")?.compactMap(origin)
      return word(value, "cookie name", "letters, digits, `-` and `_`").map { (.cookie(name: $0), origins ?? []) }
    case "query": return parameter(value).map { (.query(name: $0), []) }
    default: return word(value, "subprotocol", "a word such as `bearer`").map { (.subprotocol(marker: $0), []) }
    }
  }

  private static func header(_ cursor: Cursor, _ schemeCursor: Cursor?) -> TokenSourceSettings? {
    let scheme = schemeCursor?.locatedText()
    if let scheme, !TokenByte.isToken(Array(scheme.value.utf8).span) {
      schemeCursor?.report("`\(scheme.value)` is no authentication scheme: write a word such as `Bearer`")
    }
    guard let name = FieldNameDecoder.decode(cursor, allowed: [.authorization, .secWebSocketProtocol]) else { return nil }
    if name.lowercased() == "sec-websocket-protocol" {
      cursor.report("a token among subprotocols stands behind a marker: write `{ websocket_protocol: bearer }`")
      return nil
    }
    return .header(name: name, scheme: scheme?.value)
  }

  private static func word(_ cursor: Cursor, _ noun: String, _ hint: String) -> String? {
    guard let text = cursor.text() else { return nil }
    guard TokenByte.isToken(Array(text.utf8).span) else {
      cursor.report("`\(text)` is no \(noun): write \(hint)")
      return nil
    }
    return text
  }

  /// Unreserved characters only, so that the name is written in one way (RFC 3986 section 2.3).
  private static func parameter(_ cursor: Cursor) -> String? {
    guard let text = cursor.text() else { return nil }
    guard text.utf8.allSatisfy({ $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f, 0x7e].contains($0) }) else {
      cursor.report("`\(text)` is no name of a query's parameter: write letters, digits, `-`, `.` and `_`")
      return nil
    }
    return text
  }

  private static func origin(_ cursor: Cursor) -> String? {
    guard let text = cursor.text() else { return nil }
    guard let url = HTTPSURL(text), url.target == "/", !text.hasSuffix("/") else {
      cursor.report("`\(text)` is no origin: write `https://HOST` or `https://HOST:PORT`, without a path")
      return nil
    }
    return "https://\(url.authority)"
  }
}
