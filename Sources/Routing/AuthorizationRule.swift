import JSON

/// What a route asks of a principal beyond a valid token.
///
/// Rules are evaluated in three values (Kleene's logic): a rule holds, fails, or is *unknown* because a claim has a type
/// that does not fit it. Only "holds" lets a request in, and `not` of unknown is unknown, so a malformed claim never opens
/// a door that a well-formed one would have kept shut.
package indirect enum AuthorizationRule: Sendable, Hashable {
  /// Anyone whom the provider vouches for; on a route without authentication, anyone.
  case everyone
  /// All of these scopes.
  case scopes([[UInt8]])
  /// All of these roles, read from the array of strings at claim path `from`.
  case roles([[UInt8]], from: [UInt8])
  /// The claim at `path` is one of `values`, or is an array that holds one of them.
  case claim(path: [UInt8], values: [ClaimValue])
  /// The claim at `path` is there and not null.
  case claimPresent(path: [UInt8])
  case all([AuthorizationRule])
  case any([AuthorizationRule])
  case not(AuthorizationRule)

  package static func scopes(_ names: [String]) -> AuthorizationRule { .scopes(names.map { Array($0.utf8) }) }

  package static func roles(_ names: [String], from path: String = "roles") -> AuthorizationRule {
    .roles(names.map { Array($0.utf8) }, from: Array(path.utf8))
  }

  /// `["*"]` asks only that the claim is there.
  package static func claim(_ path: String, _ values: [String]) -> AuthorizationRule {
    values == ["*"]
      ? .claimPresent(path: Array(path.utf8)) : .claim(path: Array(path.utf8), values: values.map(ClaimValue.init))
  }

  /// - Parameters:
  ///   - claims: the access token's payload, an object.
  ///   - roles: how its issuer writes roles.
  package func evaluate(_ claims: JSONValue, roles form: StringListForm = .array) -> AuthorizationVerdict {
    switch outcome(claims, form) {
    case .holds: .allowed
    case .fails(let verdict), .unknown(let verdict): verdict
    }
  }

  /// What one rule comes to, with the verdict that it gives when it does not hold.
  private enum Outcome {
    case holds
    case fails(AuthorizationVerdict)
    case unknown(AuthorizationVerdict)
  }

  private func outcome(_ claims: JSONValue, _ form: StringListForm) -> Outcome {
    switch self {
    case .everyone: .holds
    case .scopes(let names): Self.holdsAll(names, in: ClaimStrings(scopesOf: claims), else: .scopeMissing)
    case .roles(let names, let path): Self.holdsAll(names, in: ClaimStrings(rolesOf: claims, at: path, form), else: .claimDenied)
    case .claim(let path, let values): Self.compare(ClaimLookup(claims, at: path), values)
    case .claimPresent(let path): Self.present(ClaimLookup(claims, at: path))
    case .all(let rules): Self.conjunction(rules, claims, form)
    case .any(let rules): Self.disjunction(rules, claims, form)
    case .not(let rule):
      switch rule.outcome(claims, form) {
      case .holds: .fails(.claimDenied)
      case .fails: .holds
      case .unknown(let verdict): .unknown(verdict)
      }
    }
  }

  private static func holdsAll(_ names: [[UInt8]], in held: ClaimStrings, else verdict: AuthorizationVerdict) -> Outcome {
    if case .misfit = held { return .unknown(verdict) }
    return names.allSatisfy(held.contains) ? .holds : .fails(verdict)
  }

  private static func present(_ claim: ClaimLookup) -> Outcome {
    switch claim {
    case .found: .holds
    case .absent: .fails(.claimDenied)
    case .misfit: .unknown(.claimDenied)
    }
  }

  private static func compare(_ claim: ClaimLookup, _ values: [ClaimValue]) -> Outcome {
    switch claim {
    case .absent: return .fails(.claimDenied)
    case .misfit: return .unknown(.claimDenied)
    case .found(.array(let elements)):
      var isKnown = true
      for element in elements {
        switch isOne(of: values, element) {
        case true?: return .holds
        case nil: isKnown = false
        case false?: break
        }
      }
      return isKnown ? .fails(.claimDenied) : .unknown(.claimDenied)
    case .found(let value):
      guard let equal = isOne(of: values, value) else { return .unknown(.claimDenied) }
      return equal ? .holds : .fails(.claimDenied)
    }
  }

  private static func isOne(of values: [ClaimValue], _ claim: JSONValue) -> Bool? {
    for value in values {
      guard let equal = value.equals(claim) else { return nil }
      if equal { return true }
    }
    return false
  }

  /// Fails when one rule does; of several denials the first written is reported.
  private static func conjunction(_ rules: [AuthorizationRule], _ claims: JSONValue, _ form: StringListForm) -> Outcome {
    var result = Outcome.holds
    for rule in rules {
      switch rule.outcome(claims, form) {
      case .holds: break
      case .fails(let verdict): return .fails(verdict)
      case .unknown(let verdict): if case .holds = result { result = .unknown(verdict) }
      }
    }
    return result
  }

  /// Holds when one rule does, and never when there is none. `scope_missing` only when more scopes would have helped in
  /// every branch.
  private static func disjunction(_ rules: [AuthorizationRule], _ claims: JSONValue, _ form: StringListForm) -> Outcome {
    var verdict: AuthorizationVerdict?
    var isKnown = true
    for rule in rules {
      let denial: AuthorizationVerdict
      switch rule.outcome(claims, form) {
      case .holds: return .holds
      case .fails(let why): denial = why
      case .unknown(let why):
        denial = why
        isKnown = false
      }
      verdict = verdict == nil || verdict == denial ? denial : .claimDenied
    }
    return isKnown ? .fails(verdict ?? .claimDenied) : .unknown(verdict ?? .claimDenied)
  }
}
