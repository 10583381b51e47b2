import Routing

/// `authorize`: the word `authenticated`, or rules that must all hold.
enum AuthorizationDecoder {
  private static let maximumDepth = 16

  static func decode(_ cursor: Cursor) -> AuthorizationRule? {
    if cursor.isScalar { return cursor.word([("authenticated", AuthorizationRule.everyone)]) }
    return rules(cursor, rolesFrom: "roles", depth: 0)
  }

  private static func rules(_ cursor: Cursor, rolesFrom inherited: String, depth: Int) -> AuthorizationRule? {
    guard depth < maximumDepth else {
      cursor.report("rules are nested deeper than \(maximumDepth): write them flatter")
      return nil
    }
    guard let values = cursor.mapping(["scopes", "roles", "claims", "any", "all", "not", "roles_from"]) else { return nil }
    let rolesFrom = values["roles_from"]?.text() ?? inherited
    var parts: [AuthorizationRule?] = []
    if let scopes = values["scopes"] { parts.append(names(scopes, "orders:read", isScope: true).map { .scopes($0) }) }
    if let roles = values["roles"] { parts.append(names(roles, "admin").map { .roles($0, from: rolesFrom) }) }
    if let claims = values["claims"] { parts.append(self.claims(claims)) }
    if let any = values["any"] { parts.append(list(any, rolesFrom, depth).map { .any($0) }) }
    if let all = values["all"] { parts.append(list(all, rolesFrom, depth).map { .all($0) }) }
    if let not = values["not"] { parts.append(rules(not, rolesFrom: rolesFrom, depth: depth + 1).map { .not($0) }) }
    if parts.isEmpty {
      if !values.misspelt.isEmpty { return nil }
      cursor.report("no rule is written: write `scopes`, `roles`, `claims`, `any`, `all` or `not`, or `authorize: authenticated`")
      return nil
    }
    let known = parts.compactMap { $0 }
    guard known.count == parts.count else { return nil }
    return known.count == 1 ? known[0] : .all(known)
  }

  private static func list(_ cursor: Cursor, _ rolesFrom: String, _ depth: Int) -> [AuthorizationRule]? {
    guard let elements = cursor.list("{ scopes: [orders:read] }, { roles: [admin] }") else { return nil }
    let decoded = elements.compactMap { rules($0, rolesFrom: rolesFrom, depth: depth + 1) }
    return decoded.count == elements.count ? decoded : nil
  }

  private static func names(_ cursor: Cursor, _ example: String, isScope: Bool = false) -> [String]? {
    guard let elements = cursor.list(example) else { return nil }
    let names = elements.compactMap { element -> String? in
      guard let name = element.text() else { return nil }
      if isScope, name.contains(" ") {
        element.report("a scope has no spaces: write a list, such as `[\(name.split(separator: " ").joined(separator: ", "))]`")
        return nil
      }
      return name
    }
    return names.count == elements.count ? names : nil
  }

  private static func claims(_ cursor: Cursor) -> AuthorizationRule? {
    guard let entries = cursor.entries("tenant: \"*\"") else { return nil }
    if entries.isEmpty {
      cursor.report("no claim is named: write `{ CLAIM: VALUE }`, or `{ CLAIM: \"*\" }` for any value")
      return nil
    }
    let rules = entries.compactMap { entry in
      ClaimMatchDecoder.values(entry.value).map { AuthorizationRule.claim(entry.key.value, $0) }
    }
    guard rules.count == entries.count else { return nil }
    return rules.count == 1 ? rules[0] : .all(rules)
  }
}
