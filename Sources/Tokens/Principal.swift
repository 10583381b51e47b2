import JSON

/// The verified user: who says so, who it is, and what was said about them.
package struct Principal: Sendable {
  package let issuer: [UInt8]
  /// `sub`, never empty.
  package let subject: [UInt8]
  /// All of the token's claims.
  package let claims: JSONValue
  /// From `scope`, or from `scp` when there is no `scope`. Empty when the claim has another shape: what does not fit grants
  /// nothing.
  package let scopes: [[UInt8]]
  /// `exp`, in seconds since 1970.
  package let expiresAt: Int64
  /// SHA-256 of the key that signed (RFC 7638).
  package let keyThumbprint: [UInt8]
  /// What its sender has to prove; nil for a token that whoever has it may use.
  package let confirmation: Confirmation?

  package init(
    issuer: [UInt8], subject: [UInt8], claims: JSONValue, scopes: [[UInt8]], expiresAt: Int64, keyThumbprint: [UInt8],
    confirmation: Confirmation? = nil
  ) {
    self.confirmation = confirmation
    self.issuer = issuer
    self.subject = subject
    self.claims = claims
    self.scopes = scopes
    self.expiresAt = expiresAt
    self.keyThumbprint = keyThumbprint
  }

  /// A string of scopes between single spaces (RFC 6749 section 3.3), or an array of strings.
  static func scopes(_ claims: JSONValue) -> [[UInt8]] {
    switch claims.member("scope") ?? claims.member("scp") {
    case .string(let text)?:
      return text.split(separator: UInt8(ascii: " ")).map { Array($0) }
    case .array(let elements)?:
      var scopes: [[UInt8]] = []
      for element in elements {
        guard case .string(let scope) = element else { return [] }
        scopes.append(scope)
      }
      return scopes
    default: return []
    }
  }

  /// How its sender was recognised: by a bound token and a proof (RFC 9449), by one bound to a certificate (RFC 8705), or by having
  /// it (RFC 6750). A URN for `rctx.authn` of a Txn-Token.
  var authenticationMethod: StaticString {
    if confirmation?.key != nil { return "urn:ietf:rfc:9449" }
    return confirmation?.certificate != nil ? "urn:ietf:rfc:8705" : "urn:ietf:rfc:6750"
  }

  /// Bytes of memory that the principal's heap objects take, for the cache's bound.
  var footprint: Int {
    Footprint.of(issuer) + Footprint.of(subject) + Footprint.of(claims) + Footprint.of(keyThumbprint)
      + (confirmation?.footprint ?? 0)
      + scopes.reduce(Footprint.array(scopes.capacity, stride: 8)) { $0 + Footprint.of($1) }
  }
}

/// How much memory values take on the heap: what malloc hands out, with its own 8 bytes and its steps of 16.
enum Footprint {
  static func malloc(_ bytes: Int) -> Int { max(32, (bytes + 8 + 15) & ~15) }
  /// 32 bytes stand before a Swift array's elements.
  static func array(_ capacity: Int, stride: Int) -> Int { capacity == 0 ? 0 : malloc(32 + capacity * stride) }
  static func of(_ bytes: [UInt8]) -> Int { array(bytes.capacity, stride: 1) }

  static func of(_ value: JSONValue) -> Int {
    switch value {
    case .object(let members):
      members.reduce(array(members.capacity, stride: MemoryLayout<JSONMember>.stride)) {
        $0 + of($1.name) + of($1.value)
      }
    case .array(let elements):
      elements.reduce(array(elements.capacity, stride: MemoryLayout<JSONValue>.stride)) { $0 + of($1) }
    case .string(let bytes): of(bytes)
    default: 0
    }
  }
}
