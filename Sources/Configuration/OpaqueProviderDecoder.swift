/// Rows of `identity_providers` whose tokens say nothing by themselves: `introspection` and `api_keys`.
enum OpaqueProviderDecoder {
  static let kinds = ["introspection", "api_keys"]

  /// - Parameter optional: reads what has a default and concerns all kinds.
  static func decode(
    _ values: Mapping, _ kind: String, _ cursor: Cursor,
    _ optional: (Mapping) -> (IdentityProviderSettings) -> IdentityProviderSettings
  ) -> IdentityProviderSettings? {
    if kind == "api_keys" { return keys(values, cursor, optional) }
    refuse(
      ["algorithms", "secret", "token_types", "backchannel_logout"], values,
      "is for tokens that are signed: leave it out, the issuer is asked about each token")
    let name = values.required("name", "a name of your choice")?.name()
    let issuer = ClaimConventionsDecoder.issuer(values.required("issuer", "the `iss` of its tokens, exactly"))
    let introspection = IntrospectionDecoder.decode(cursor)
    let settings = optional(values)
    guard let name, let issuer else { return nil }
    var result = settings(IdentityProviderSettings(name: name, issuer: issuer, jwksFile: nil))
    result.introspection = introspection
    return result
  }

  private static func keys(
    _ values: Mapping, _ cursor: Cursor, _ optional: (Mapping) -> (IdentityProviderSettings) -> IdentityProviderSettings
  ) -> IdentityProviderSettings? {
    refuse(
      [
        "audiences", "algorithms", "secret", "token_types", "leeway", "maximum_token_bytes", "proof_of_possession",
        "backchannel_logout", "audience_claim", "token_use", "maximum_token_life",
      ], values,
      "is for access tokens: leave it out, an API key has none of it")
    let name = values.required("name", "a name of your choice")?.name()
    let issuer = values["issuer"]?.locatedText()
    let file = cursor.mapping(["file"])?.required("file", "the file of the keys' hashes; `gatehouse apikey new` makes entries")?
      .path()
    let settings = optional(values)
    guard let name else { return nil }
    var result = settings(IdentityProviderSettings(name: name, issuer: issuer ?? name, jwksFile: nil))
    result.apiKeyFile = file
    if let sources = values["token_from"] {
      checkSources(result.tokenFrom, sources)
    } else {
      result.tokenFrom = [.header(name: "X-API-Key", scheme: nil)]
    }
    return result
  }

  /// Whatever else may stand there would be forwarded, kept in histories, or sent along by browsers.
  private static func checkSources(_ sources: [TokenSourceSettings], _ cursor: Cursor) {
    for source in sources {
      if case .header(let name, _) = source, name.lowercased() != "authorization" { continue }
      cursor.report("an API key stands in a header of its own: write `[{ header: X-API-Key }]`, with a name of your choice")
      return
    }
  }

  private static func refuse(_ keys: [String], _ values: Mapping, _ reason: String) {
    for key in keys { values[key]?.report("`\(key)` \(reason)") }
  }

  /// What concerns routes and providers together: a token that says nothing can be asked about in one place.
  static func check(_ configuration: GatewayConfiguration, _ collector: DiagnosticCollector) {
    for route in configuration.routes {
      let asked = route.providers.filter {
        configuration.identityProviders.indices.contains($0) && configuration.identityProviders[$0].introspection != nil
      }
      guard asked.count > 1 else { continue }
      let names = asked.map { "`\(configuration.identityProviders[$0].name.value)`" }.joined(separator: " and ")
      collector.report(
        route.location,
        "\(names) are both asked about tokens, and nothing says which of them to ask: authenticate with one of them")
    }
  }
}
