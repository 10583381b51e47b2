import HTTP
import Routing

/// A row of `routes`. Needs to know the names of providers and backends, so routes are decoded last.
struct RouteDecoder {
  /// In the order of the model's arrays.
  let providers: [String]
  /// What tells a provider's tokens from another's.
  let marks: [String: ProviderMark]
  let backends: [String]
  /// Fields with internal tokens, and those in which clients send theirs.
  let ownFields: [String]
  let tokenFields: [String]
  /// The place of each name in the lists above; of a name that stands there twice, the first.
  private let providerPlaces: [String: Int]
  private let backendPlaces: [String: Int]

  init(
    providers: [String], marks: [String: ProviderMark], backends: [String], ownFields: [String] = [], tokenFields: [String] = []
  ) {
    self.ownFields = ownFields
    self.tokenFields = tokenFields
    self.providers = providers
    self.marks = marks
    self.backends = backends
    providerPlaces = Self.places(providers)
    backendPlaces = Self.places(backends)
  }

  private static func places(_ names: [String]) -> [String: Int] {
    Dictionary(names.enumerated().map { ($0.element, $0.offset) }, uniquingKeysWith: { first, _ in first })
  }

  func decode(_ cursor: Cursor) -> RouteSettings? {
    let known = [
      "name", "match", "authenticate", "authorize", "backend", "backends", "rewrite", "timeout", "body", "forward_access_token",
      "forward",
      "end_at_expiry",
    ]
    guard let values = cursor.mapping(known, later: ["rate_limit"]) else { return nil }
    let name = values.required("name", "a name of your choice")?.name()
    let match = values.required("match", "`{ path: \"/orders/**\" }`").flatMap(match)
    let providers = authentication(values)
    let authorization = authorization(values, providers)
    let backends = self.backends(values)
    let stripPrefix = values["rewrite"].flatMap { rewrite($0) }
    let timeout = values["timeout"]?.duration(1...86_400_000)
    let body = values["body"].flatMap { $0.mapping(["maximum", "gather", "rate", "total"]) }
    let maximum = body?["maximum"]?.size(0...1 << 40)
    if body?.values.isEmpty == true, body?.misspelt.isEmpty == true {
      values["body"]?.report("nothing is written: write `maximum`, `gather`, `rate` or `total`, such as `{ maximum: 1MiB }`")
    }
    let gather = body?["gather"]?.size(0...16 << 20)
    let rate = body?["rate"]?.byteRate(0...1 << 40)
    let total = body?["total"]?.bound(1...86_400_000)
    let forwards = values["forward_access_token"]?.boolean()
    let forward = values["forward"]?.list("X-Original-URL").map { FieldNameDecoder.forwarded($0, own: ownFields, tokens: tokenFields) }
    let endsAtExpiry = values["end_at_expiry"]?.boolean()
    if endsAtExpiry == true, providers?.isEmpty == true {
      values["end_at_expiry"]?.report("a public route has no access token that could expire: leave `end_at_expiry` out")
    }
    guard let name, let match, let providers, let authorization, let backends else { return nil }
    var settings = RouteSettings(name: name, match: match, location: cursor.location)
    settings.providers = providers
    settings.authorization = authorization
    settings.backends = backends
    settings.stripPrefix = stripPrefix
    settings.timeout = timeout
    settings.bodyMaximum = maximum.map(UInt64.init)
    settings.bodyGather = gather ?? settings.bodyGather
    settings.bodyRate = rate
    settings.bodyTotal = total
    settings.forwardAccessToken = forwards ?? false
    settings.forward = forward ?? []
    settings.endAtExpiry = endsAtExpiry ?? false
    return settings
  }

  // MARK: - Match

  private func match(_ cursor: Cursor) -> RouteMatch? {
    guard let values = cursor.mapping(["hosts", "path", "methods", "headers"]) else { return nil }
    var isValid = true
    let checkHost = { (text: String) throws(PatternError) in _ = try HostPattern(text) }
    let checkMethod = { (text: String) throws(PatternError) in _ = try MethodSet([text]) }
    let hosts = values["hosts"].map { list($0, "api.example.com", &isValid, check: checkHost) } ?? []
    let methods = values["methods"].map { list($0, "GET, HEAD", &isValid, check: checkMethod) } ?? []
    if let cursor = values["methods"], isValid {
      isValid = attempt(cursor) { () throws(PatternError) in _ = try MethodSet(methods) }
    }
    let headers = values["headers"].map { self.headers($0, &isValid) } ?? []
    guard let pathCursor = values.required("path", "a pattern such as `/orders/**`; `/**` is every path"),
      let path = pathCursor.text(), attempt(pathCursor, { () throws(PatternError) in _ = try RoutePattern(path) }), isValid
    else { return nil }
    return RouteMatch(hosts: hosts, path: path, methods: methods, headers: headers)
  }

  private func list(
    _ cursor: Cursor, _ example: String, _ isValid: inout Bool, check: (String) throws(PatternError) -> Void
  ) -> [String] {
    guard let elements = cursor.list(example) else {
      isValid = false
      return []
    }
    let texts = elements.compactMap { element -> String? in
      guard let text = element.text(), attempt(element, { () throws(PatternError) in try check(text) }) else { return nil }
      return text
    }
    if texts.count != elements.count { isValid = false }
    return texts
  }

  private func headers(_ cursor: Cursor, _ isValid: inout Bool) -> [HeaderMatch] {
    guard let entries = cursor.entries("X-Version: \"2\"") else {
      isValid = false
      return []
    }
    var headers: [HeaderMatch] = []
    for entry in entries {
      guard let value = entry.value.text() else {
        isValid = false
        continue
      }
      let header = HeaderMatch(name: entry.key.value, value: value)
      let isRepeated = headers.contains { FieldName.canonical($0.name.utf8) == FieldName.canonical(header.name.utf8) }
      if !attempt(entry.value, { () throws(PatternError) in try RouteTableBuilder.check(header, isRepeated: isRepeated) }) {
        isValid = false
      }
      headers.append(header)
    }
    return headers
  }

  /// Whether `body` throws nothing; what it throws is reported at `cursor`.
  private func attempt(_ cursor: Cursor, _ body: () throws(PatternError) -> Void) -> Bool {
    do throws(PatternError) {
      try body()
      return true
    } catch {
      cursor.report(error.message)
      return false
    }
  }

  // MARK: - Who may pass

  /// Indexes of the providers; empty for `none`, nil after an error.
  private func authentication(_ values: Mapping) -> [Int]? {
    let hint = "`authenticate: none` for a public route, or a list of identity providers together with `authorize`"
    guard let cursor = values.required("authenticate", hint) else { return nil }
    if cursor.isScalar {
      guard let text = cursor.text() else { return nil }
      if text == "none" { return [] }
      cursor.report("write `authenticate: [\(text)]` for a provider, or `authenticate: none` for a public route")
      return nil
    }
    guard let elements = cursor.list(providers.first ?? "main") else { return nil }
    var indexes: [Int] = []
    var seen: Set<Int> = []
    var namesByIssuer: [String: [String]] = [:]
    for element in elements {
      guard let name = element.text() else { continue }
      guard let index = providerPlaces[name] else {
        if name == "none" {
          element.report(
            elements.count == 1
              ? "a public route has no list: write `authenticate: none`"
              : "`none` stands alone, for a public route: write `authenticate: none`, or leave it out of the list")
          continue
        }
        let hint = NearestName.hint(for: name, among: providers, none: "there are none under `identity_providers`")
        element.report("there is no identity provider `\(name)`: \(hint)")
        continue
      }
      if !seen.insert(index).inserted {
        element.report("the provider `\(name)` is named twice")
      } else if let mark = marks[name] {
        if let rival = namesByIssuer[mark.issuer, default: []].first(where: { marks[$0]?.isToldApart(from: mark) == false }) {
          element.report(
            "`\(name)` has the same issuer as `\(rival)` and no `audiences` of its own, so a token would not say whose it is: name one of "
              + "them")
        }
        namesByIssuer[mark.issuer, default: []].append(name)
      }
      indexes.append(index)
    }
    return indexes.count == elements.count ? indexes : nil
  }

  private func authorization(_ values: Mapping, _ providers: [Int]?) -> AuthorizationRule? {
    let isPublic = providers?.isEmpty ?? false
    guard let cursor = values["authorize"] else {
      if isPublic { return .everyone }
      if values["authenticate"] != nil {
        values.owner.report(
          "`authorize` is missing: write rules, or `authorize: authenticated` for anyone the provider vouches for")
      }
      return nil
    }
    let rule = AuthorizationDecoder.decode(cursor)
    if isPublic {
      cursor.report("a public route has nobody to authorize: leave `authorize` out, or name providers under `authenticate`")
    }
    return rule
  }

  // MARK: - Where it goes

  private func backends(_ values: Mapping) -> [(backend: Int, weight: Int)]? {
    switch (values["backend"], values["backends"]) {
    case (let cursor?, nil):
      return backend(cursor).map { [(backend: $0, weight: 1)] }
    case (nil, let cursor?):
      guard let elements = cursor.list("{ name: orders, weight: 95 }, { name: orders-canary, weight: 5 }") else { return nil }
      let chosen = elements.compactMap(weighted)
      var seen: Set<Int> = []
      for choice in chosen where !seen.insert(choice.backend).inserted {
        cursor.report("the backend `\(backends[choice.backend])` is named twice: add the weights up")
      }
      return chosen.count == elements.count ? chosen : nil
    case (_?, let cursor?):
      cursor.report("`backend` and `backends` exclude each other: write one of them")
      return nil
    case (nil, nil):
      values.owner.report("`backend` is missing: write \(backends.first.map { "`backend: \($0)`" } ?? "the name of a backend")")
      return nil
    }
  }

  private func weighted(_ cursor: Cursor) -> (backend: Int, weight: Int)? {
    guard let values = cursor.mapping(["name", "weight"]) else { return nil }
    let index = values.required("name", "the name of a backend").flatMap(backend)
    let weight = values.required("weight", "a number from 1 to 1000000")?.integer(1...1_000_000)
    guard let index, let weight else { return nil }
    return (index, weight)
  }

  private func backend(_ cursor: Cursor) -> Int? {
    guard let name = cursor.text() else { return nil }
    if let index = backendPlaces[name] { return index }
    let hint = NearestName.hint(for: name, among: backends, none: "there are none under `backends`")
    cursor.report("there is no backend `\(name)`: \(hint)")
    return nil
  }

  private func rewrite(_ cursor: Cursor) -> String? {
    guard let values = cursor.mapping(["strip_prefix"]), let prefix = values.required("strip_prefix", "a path such as `/v1`"),
      let text = prefix.text()
    else { return nil }
    var stripped: RoutePattern?
    guard attempt(prefix, { () throws(PatternError) in stripped = try RoutePattern(text) }), let stripped else { return nil }
    guard !stripped.isPrefix, !stripped.segments.contains(.parameter), !stripped.segments.contains(.literal([])) else {
      prefix.report("a prefix to strip is plain segments without a last slash, such as `/v1`")
      return nil
    }
    return text
  }
}

/// What tells tokens of one provider from those of another that stands on the same route.
struct ProviderMark {
  let issuer: String
  /// Nil: any token of the issuer would do.
  let audiences: Set<String>?
  let audienceClaim: String?

  /// By the audience, where the issuer is the same.
  func isToldApart(from other: ProviderMark) -> Bool {
    guard issuer == other.issuer else { return true }
    guard let audiences, let others = other.audiences, audienceClaim == other.audienceClaim else { return false }
    return audiences.isDisjoint(with: others)
  }
}
