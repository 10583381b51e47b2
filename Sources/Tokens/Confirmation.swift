import JSON

/// What a token's bearer has to prove besides having it (RFC 7800): the `cnf` claim.
package struct Confirmation: Sendable, Equatable {
  /// SHA-256 of the client certificate that the token is bound to (RFC 8705 section 3.1), 32 bytes.
  package let certificate: [UInt8]?
  /// SHA-256 thumbprint (RFC 7638) of the key that signs DPoP proofs (RFC 9449 section 6.1), 32 bytes.
  package let key: [UInt8]?

  /// Nil when the token is bound to nothing.
  ///
  /// - Throws: `.claims` for a binding that nobody here can check: it is not to be ignored.
  init?(_ claims: JSONValue) throws(TokenDenial) {
    guard let confirmation = claims.member("cnf") else { return nil }
    certificate = try Self.thumbprint(confirmation, "x5t#S256")
    key = try Self.thumbprint(confirmation, "jkt")
    if certificate == nil, key == nil { throw .claims }
  }

  private static func thumbprint(_ confirmation: JSONValue, _ name: StaticString) throws(TokenDenial) -> [UInt8]? {
    guard let member = confirmation.member(name) else { return nil }
    guard case .string(let text) = member, let bytes = Base64URL.decode(text), bytes.count == 32 else { throw .claims }
    return bytes
  }

  var footprint: Int { Footprint.of(certificate ?? []) + Footprint.of(key ?? []) }
}

/// Which proofs of possession a provider's tokens need. A token that is bound is always held to it, whatever is said here.
package struct ProofRules: Sendable, Equatable {
  package enum Mode: Sendable { case optional, required }
  /// `required`: every token is bound to the client's certificate.
  package var certificate = Mode.optional
  /// Nil: no DPoP proofs are taken, so that tokens that need them are refused. `required`: every token needs one.
  package var dpop: Mode?
  /// Whether a proof must carry a nonce of the gateway's (RFC 9449 section 9).
  package var needsNonce = false
  /// Seconds that a proof is good for, from its `iat` on: 1…3,600.
  package var lifetime: Int64 = 60

  package init() {}

  var text: String { "\(certificate) \(dpop.map { "\($0)" } ?? "-") \(needsNonce) \(lifetime)" }
}
