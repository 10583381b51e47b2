import JSON

/// What a row of `identity_providers` says of the claims of its tokens, where issuers differ: `audiences`, `audience_claim`, `token_use`,
/// `maximum_token_life`, `scope_separator`, `roles_format`.
enum ClaimConventionsDecoder {
  static let keys = ["audience_claim", "token_use", "maximum_token_life", "scope_separator", "roles_format"]

  /// Reads them all, so that each error is reported whatever else is wrong.
  static func decode(_ values: Mapping) -> (IdentityProviderSettings) -> IdentityProviderSettings {
    let audiences = values["audiences"].flatMap { readAudiences($0, values) }
    let claim = values["audience_claim"]?.text()
    if case .unnamed? = audiences {
      values["audience_claim"]?.report("`audiences: none` looks at no claim: leave `audience_claim` out, or name audiences")
    } else if let cursor = values["audience_claim"], values["audiences"] == nil {
      cursor.report("`audience_claim` says where `audiences` are looked for: write those as well")
    }
    let use = values["token_use"].flatMap { readUse($0) }
    let life = values["maximum_token_life"]?.duration(1_000...3_155_760_000_000)
    let separator = values["scope_separator"].flatMap { readSeparator($0) }
    let roles = values["roles_format"]?.word([
      ("array", StringListForm.array), ("single", .single), ("space", .separated(by: 0x20)), ("comma", .separated(by: 0x2c)),
    ])
    return { settings in
      var settings = settings
      switch audiences {
      case .these(let names)?:
        settings.audiences = names
        settings.audienceClaim = claim ?? "aud"
      case .unnamed?: settings.audienceClaim = nil
      case nil: break
      }
      settings.tokenUse = use
      settings.maximumTokenLife = life ?? settings.maximumTokenLife
      settings.scopeSeparator = separator
      settings.rolesForm = roles ?? settings.rolesForm
      return settings
    }
  }

  private enum Audiences {
    case these([String])
    /// No claim says whom tokens are for.
    case unnamed
  }

  private static func readAudiences(_ cursor: Cursor, _ values: Mapping) -> Audiences? {
    if cursor.isScalar {
      guard let text = cursor.text() else { return nil }
      guard text == "none" else {
        cursor.report("write `audiences: [\(text)]`, or `audiences: none` where no claim says whom a token is for")
        return nil
      }
      guard values["required_claims"] != nil || values["introspection"] != nil else {
        cursor.report(
          "without audiences any token of the issuer would do, whoever it was made for: write `required_claims`, such as "
            + "`{ client_id: [web] }`, or `audience_claim: client_id` with `audiences`")
        return nil
      }
      return .unnamed
    }
    guard let elements = cursor.list("api") else { return nil }
    let names = elements.compactMap { element -> String? in
      guard let text = element.text() else { return nil }
      guard !text.contains("*") else {
        element.report(
          "`\(text)` is taken letter for letter, and no token has it: name your audience, or write `audiences: none` with "
            + "`required_claims`")
        return nil
      }
      return text
    }
    return names.count == elements.count ? .these(names) : nil
  }

  /// The issuer's name is compared byte for byte: what stands for something else in a document never passes anybody.
  static func issuer(_ cursor: Cursor?) -> Located<String>? {
    guard let text = cursor?.locatedText() else { return nil }
    if text.value.contains("{") || text.value.contains("}") || text.value.contains("*") {
      cursor?.report(
        "`\(text.value)` is compared letter for letter, and no token has it: write the `iss` of your own tokens, with the tenant's "
          + "id in place of what stands for it")
      return nil
    }
    return text
  }

  private static func readUse(_ cursor: Cursor) -> [(claim: String, values: [String])]? {
    guard let entries = cursor.entries("typ: Bearer") else { return nil }
    if entries.isEmpty { cursor.report("no claim is named: write what only access tokens have, such as `{ typ: Bearer }`") }
    return entries.compactMap { entry in ClaimMatchDecoder.values(entry.value).map { (claim: entry.key.value, values: $0) } }
  }

  private static func readSeparator(_ cursor: Cursor) -> UInt8? {
    guard let text = cursor.text() else { return nil }
    guard text.utf8.count == 1, let byte = text.utf8.first, [0x20, 0x2c, 0x3b, 0x7c].contains(byte) else {
      cursor.report("`\(text)` is no separator of scopes: write `\",\"`, `\";\"` or `\"|\"`")
      return nil
    }
    return byte
  }
}
