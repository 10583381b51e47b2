import JSON

/// How the internal tokens for one backend are made.
package struct InternalTokenRules: Sendable {
  package enum Profile: Sendable {
    /// `typ: int+jwt`: small, and used again while it lasts.
    case compact
    /// `typ: txntoken+jwt`: a Txn-Token (draft-ietf-oauth-transaction-tokens), made anew for each request.
    case transaction

    var type: StaticString {
      switch self {
      case .compact: "int+jwt"
      case .transaction: "txntoken+jwt"
      }
    }
  }

  package var profile = Profile.compact
  /// `iss`.
  package var issuer: String
  /// `aud`: the backend's name, or the trust domain.
  package var audience: String
  /// Seconds, 1…86,400.
  package var ttl: Int64 = 60
  package var claims: [ClaimRule] = []
  /// Bytes of the whole token, above which none is made.
  package var maximumBytes = 4096
  /// SHA-256 of the client certificate's DER in base64url, 43 characters (RFC 8705 section 3.1): `cnf`.
  package var confirmation: [UInt8] = []
  /// The gateway's own name in that certificate: `req_wl`.
  package var workload = ""

  package init(issuer: String, audience: String) {
    self.issuer = issuer
    self.audience = audience
  }

  /// Claims that the gateway itself sets, in either profile: a configuration that maps something to one of these is refused. `sub`
  /// may be named, and is what it is in any case.
  package static let reservedClaims = [
    "iss", "aud", "iat", "exp", "nbf", "jti", "idp", "cnf", "act", "txn", "rctx", "tctx", "req_wl",
  ]

  /// - Throws: for a reserved claim, or one named twice.
  func validate() throws(KeySetError) {
    guard ttl > 0, ttl <= 86_400 else { throw KeySetError("the internal token's ttl must be between 1 second and 24 hours") }
    for (index, claim) in claims.enumerated() {
      guard !Self.reservedClaims.contains(claim.name) else {
        throw KeySetError("the claim \"\(claim.name)\" is set by the gateway itself")
      }
      guard claim.name != "sub" || claim.source == .path("sub") else {
        throw KeySetError("\"sub\" is always the access token's subject")
      }
      guard !claims[..<index].contains(where: { $0.name.utf8.elementsEqual(claim.name.utf8) }) else {
        throw KeySetError("the claim \"\(claim.name)\" is named twice")
      }
      if profile == .transaction, claim.name == "scope", case .constant(let value) = claim.source, value.bytes == nil {
        throw KeySetError("\"scope\" of a Txn-Token is a string")
      }
    }
  }
}

/// A claim of the internal token, and where its value comes from.
package struct ClaimRule: Sendable {
  package enum Source: Sendable, Equatable {
    /// A claim path in the access token, such as `realm_access.roles`; without a value there, the claim is left out.
    case path(String)
    case constant(JSONValue)
  }

  package let name: String
  package let source: Source

  package init(_ name: String, _ source: Source) {
    self.name = name
    self.source = source
  }
}

/// What a Txn-Token says of the request that it is made for. Its texts are borrowed for the time in which the token is made.
package struct TransactionContext: ~Escapable {
  /// `txn` (RFC 8417 section 2.2): the request's id, which the gateway gave it.
  package var id: Span<UInt8>
  /// `rctx.req_ip`: the client's address as the gateway believes it.
  package var clientAddress: Span<UInt8>
  /// `tctx.method`.
  package var method: Span<UInt8>
  /// The rest of `tctx`, as JSON members with a comma before each: the same for all requests of a route.
  package var route: [UInt8]
  /// The scopes that the route asks for, between spaces: `scope`, unless a claim rule names it. Empty: what the principal has.
  package var scope: [UInt8]

  @_lifetime(copy id, copy clientAddress, copy method)
  package init(
    id: Span<UInt8>, clientAddress: Span<UInt8>, method: Span<UInt8>, route: [UInt8],
    scope: [UInt8]
  ) {
    self.id = id
    self.clientAddress = clientAddress
    self.method = method
    self.route = route
    self.scope = scope
  }
}
