import COpenSSL
import JSON

/// Makes internal tokens in the compact profile: small, for one backend, bound to the client certificate that carries them.
package final class InternalTokenMinter: Sendable {
  package let ttl: Int64
  package let key: SigningKey
  private let issuer: [UInt8]
  private let claims: [(name: [UInt8], path: [UInt8])]
  /// The encoded header and its dot.
  private let prefix: [UInt8]

  /// Claims that the gateway itself sets: a configuration that takes one of these from the access token is refused. `sub` may
  /// be named, and is what it is in any case.
  package static let reservedClaims = ["iss", "aud", "iat", "exp", "nbf", "idp", "cnf"]

  /// - Parameters:
  ///   - ttl: seconds, 1…86,400.
  ///   - claims: the name in the internal token, and the claim path in the access token.
  /// - Throws: for a reserved claim, or one named twice.
  package init(
    keys: SigningKeySet, issuer: String, ttl: Int64, claims: [(name: String, path: String)]
  ) throws(KeySetError) {
    guard ttl > 0, ttl <= 86_400 else { throw KeySetError("the internal token's ttl must be between 1 second and 24 hours") }
    for (index, claim) in claims.enumerated() {
      guard !Self.reservedClaims.contains(claim.name) else {
        throw KeySetError("the claim \"\(claim.name)\" is set by the gateway itself")
      }
      guard claim.name != "sub" || claim.path == "sub" else { throw KeySetError("\"sub\" is always the access token's subject") }
      guard !claims[..<index].contains(where: { $0.name.utf8.elementsEqual(claim.name.utf8) }) else {
        throw KeySetError("the claim \"\(claim.name)\" is named twice")
      }
    }
    key = keys.active
    self.ttl = ttl
    self.issuer = Array(issuer.utf8)
    self.claims = claims.filter { $0.name != "sub" }.map { (Array($0.name.utf8), Array($0.path.utf8)) }
    let header = JSONValue.object([
      JSONMember("alg", JSONValue(text: "\(key.algorithm.name)")), JSONMember("typ", "int+jwt"),
      JSONMember("kid", JSONValue(text: key.kid)),
    ])
    prefix = Base64URL.encode(JSONWriter.bytes(header)) + [UInt8(ascii: ".")]
  }

  /// A new token.
  ///
  /// - Parameters:
  ///   - audience: the backend's name.
  ///   - confirmation: SHA-256 of the client certificate's DER in base64url, 43 characters (RFC 8705 section 3.1).
  ///   - validUntil: until when the access token is accepted: its `exp` and the provider's leeway.
  ///   - now: seconds since 1970.
  /// - Returns: nil when the access token has expired or signing fails. The internal token ends no later than the access token's `exp`;
  ///   while only leeway keeps that alive, no later than the leeway.
  package func mint(
    principal: Principal, audience: [UInt8], confirmation: [UInt8], validUntil: Int64, now: Int64
  ) -> MintedToken? {
    let expires = min(now + ttl, principal.expiresAt > now ? principal.expiresAt : validUntil)
    guard expires > now else { return nil }
    var payload: [UInt8] = []
    payload.reserveCapacity(512)
    func name(_ text: StaticString) {
      payload.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    name(#"{"iss":"#)
    JSONWriter.append(string: issuer, to: &payload)
    name(#","aud":"#)
    JSONWriter.append(string: audience, to: &payload)
    name(#","sub":"#)
    JSONWriter.append(string: principal.subject, to: &payload)
    name(#","iat":"#)
    JSONWriter.append(integer: now, to: &payload)
    name(#","exp":"#)
    JSONWriter.append(integer: expires, to: &payload)
    for claim in claims {
      guard let value = principal.claims.value(at: claim.path) else { continue }
      name(",")
      JSONWriter.append(string: claim.name, to: &payload)
      name(":")
      JSONWriter.append(value, to: &payload)
    }
    name(#","idp":"#)
    JSONWriter.append(string: principal.issuer, to: &payload)
    name(#","cnf":{"x5t#S256":"#)
    JSONWriter.append(string: confirmation, to: &payload)
    name("}}")
    return sign(payload, now: now, expires: expires)
  }

  private func sign(_ payload: [UInt8], now: Int64, expires: Int64) -> MintedToken? {
    var token: [UInt8] = []
    token.reserveCapacity(prefix.count + Base64URL.encodedCount(payload.count) + 1 + 86)
    token += prefix
    Base64URL.append(payload, to: &token)
    let signed = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SigningKey.signatureCount) { signature in
      guard token.withUnsafeBufferPointer({ key.sign($0, into: signature) }) else { return false }
      token.append(UInt8(ascii: "."))
      Base64URL.append(signature, to: &token)
      return true
    }
    guard signed else { return nil }
    return MintedToken(bytes: token, issuedAt: now, expiresAt: expires)
  }
}
