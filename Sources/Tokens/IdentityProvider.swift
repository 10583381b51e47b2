import Bytes
import Cryptography
import JSON

/// What an identity provider's tokens must say, and the keys they are signed with. Immutable; made anew by each reload.
package final class IdentityProvider: Sendable {
  package let name: String
  /// Compared with `iss` byte for byte.
  package let issuer: [UInt8]
  package let audiences: [[UInt8]]
  package let algorithms: AlgorithmSet
  /// Seconds by which clocks may differ: 0…3,600.
  package let leeway: Int64
  /// Accepted `typ` values in lower case and without `application/` (RFC 7515 section 4.1.9).
  package let tokenTypes: [[UInt8]]
  package let requiredClaims: [RequiredClaim]
  package let conventions: ClaimConventions
  package let maximumTokenBytes: Int
  package let proof: ProofRules
  /// Nil until a set was loaded once: tokens are then refused with `keysUnavailable`.
  package let keySet: KeySet?
  /// Nil: nobody can be logged out by the provider.
  package let logout: LogoutRules?
  /// Where the keys are fetched, when they are not in a file.
  package let remote: RemoteKeys?
  /// Where tokens are asked about, for a provider whose tokens say nothing themselves.
  package let introspection: RemoteIntrospection?
  /// The keys of a provider of API keys.
  package let apiKeys: APIKeySet?
  /// SHA-256 over every rule except the keys. A cached token outlives a reload only under the same rules.
  package let fingerprint: [UInt8]

  package struct RequiredClaim: Sendable {
    /// A claim path as `JSONValue.value(at:)` takes it.
    package var path: [UInt8]
    /// Any one of these; empty asks only that the claim is there and not null.
    package var values: [[UInt8]]

    /// - Parameter values: `["*"]` asks only that the claim is there.
    package init(path: String, values: [String]) {
      self.path = Array(path.utf8)
      self.values = values.contains("*") ? [] : values.map { Array($0.utf8) }
    }
  }

  package init(
    name: String, issuer: String, audiences: [String], algorithms: [JOSEAlgorithm], leeway: Int64 = 30,
    tokenTypes: [String] = ["JWT", "at+jwt"], requiredClaims: [RequiredClaim] = [], conventions: ClaimConventions = ClaimConventions(),
    maximumTokenBytes: Int = 8 << 10, proof: ProofRules = ProofRules(), keySet: KeySet?, remote: RemoteKeys? = nil, logout: LogoutRules? = nil,
    introspection: RemoteIntrospection? = nil, apiKeys: APIKeySet? = nil
  ) {
    self.conventions = conventions
    self.logout = logout
    self.introspection = introspection
    self.apiKeys = apiKeys
    self.proof = proof
    self.name = name
    self.issuer = Array(issuer.utf8)
    self.audiences = audiences.map { Array($0.utf8) }
    self.algorithms = AlgorithmSet(algorithms)
    self.leeway = min(max(leeway, 0), 3600)
    self.tokenTypes = tokenTypes.map { Self.normalized(type: Array($0.utf8)) }
    self.requiredClaims = requiredClaims
    self.maximumTokenBytes = maximumTokenBytes
    self.keySet = keySet
    self.remote = remote
    let rules: [JSONValue] = [
      .string(self.issuer), .array(self.audiences.map { .string($0) }), .integer(Int64(self.algorithms.rawValue)),
      .integer(self.leeway), .array(self.tokenTypes.map { .string($0) }),
      .array(requiredClaims.map { .array([.string($0.path), .array($0.values.map { .string($0) })]) }),
      .integer(Int64(maximumTokenBytes)), JSONValue(text: proof.text),
      .array((introspection?.identity ?? []).map { JSONValue(text: $0) }), .integer(introspection?.lifetime ?? 0),
      .boolean(apiKeys != nil), conventions.rules,
    ]
    fingerprint = Digest.sha256(JSONWriter.bytes(.array(rules)))
  }

  /// The same rules with other keys.
  package init(_ other: IdentityProvider, keySet: KeySet?) {
    name = other.name
    issuer = other.issuer
    audiences = other.audiences
    algorithms = other.algorithms
    leeway = other.leeway
    tokenTypes = other.tokenTypes
    requiredClaims = other.requiredClaims
    conventions = other.conventions
    maximumTokenBytes = other.maximumTokenBytes
    proof = other.proof
    remote = other.remote
    logout = other.logout
    introspection = other.introspection
    apiKeys = other.apiKeys
    fingerprint = other.fingerprint
    self.keySet = keySet
  }

  /// Whether its tokens are JWTs that are checked with its keys.
  var isSigning: Bool { introspection == nil && apiKeys == nil }

  /// `typ` in lower case, without `application/` when no other `/` follows.
  static func normalized(type: [UInt8]) -> [UInt8] {
    let lower = type.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    let prefix = Array("application/".utf8)
    guard lower.starts(with: prefix), !lower[prefix.count...].contains(UInt8(ascii: "/")) else { return lower }
    return Array(lower[prefix.count...])
  }

  // MARK: Checks, in the order in which they are made

  /// An absent `typ` is accepted.
  func accepts(type: [UInt8]?) -> Bool {
    guard let type else { return true }
    return tokenTypes.contains(Self.normalized(type: type))
  }

  /// `exp` must be there (RFC 7519 makes it optional, this gateway does not); `nbf` and `iat` may. Returns `exp`.
  func checkTimes(_ claims: JSONValue, now: Int64) throws(TokenDenial) -> Int64 {
    let expires = try checkExpiry(claims, now: now)
    try checkBeginning(claims, now: now)
    return expires
  }

  func checkExpiry(_ claims: JSONValue, now: Int64) throws(TokenDenial) -> Int64 {
    guard let expires = claims.member("exp")?.flooredInteger else { throw .claims }
    guard now - leeway < expires else { throw .expired }
    return expires
  }

  func checkBeginning(_ claims: JSONValue, now: Int64) throws(TokenDenial) {
    for name: StaticString in ["nbf", "iat"] {
      guard let value = claims.member(name) else { continue }
      guard let time = value.flooredInteger else { throw .claims }
      guard time <= now + leeway else { throw .notYetValid }
    }
  }

  /// What deny-lists name a token by, in text, has to be text: a token whose `jti` is a number could not be denied (RFC 7519 section 4.1.7).
  func checkNames(_ claims: JSONValue) throws(TokenDenial) {
    for name: StaticString in ["jti", "sid"] {
      switch claims.member(name) {
      case nil, .null?, .string?: continue
      default: throw .claims
      }
    }
  }

  func checkRequiredClaims(_ claims: JSONValue) throws(TokenDenial) {
    for rule in requiredClaims {
      guard let value = claims.value(at: rule.path), value != .null else { throw .claims }
      guard rule.values.isEmpty || Self.matches(value, rule.values) else { throw .claims }
    }
  }

  /// A string, whole number or boolean that is spelled like one of `values`, or an array with such an element.
  static func matches(_ value: JSONValue, _ values: [[UInt8]]) -> Bool {
    switch value {
    case .string(let text): values.contains(text)
    case .integer, .boolean: values.contains(JSONWriter.bytes(value))
    case .array(let elements):
      elements.contains { element in
        if case .array = element { false } else { matches(element, values) }
      }
    default: false
    }
  }
}
