/// An internal token that was verified: who the user is.
public struct InternalToken: Sendable {
  /// `sub`: the user, as the identity provider names them.
  public let subject: String
  /// `iss`: the gateway.
  public let issuer: String
  /// `aud`: this backend.
  public let audience: String
  /// `iat`, in seconds since 1970.
  public let issuedAt: Int64
  /// `exp`, in seconds since 1970.
  public let expiresAt: Int64
  /// `txn`: the transaction that the request belongs to, in the transaction profile.
  public let transaction: String?
  /// The `kid` of the key that signed.
  public let keyID: String?
  public let algorithm: SignatureAlgorithm
  /// Every claim, those above among them.
  public let claims: JSONValue

  /// `idp`: the issuer of the access token. Subjects of two identity providers are two users, even when they are spelt alike.
  public var identityProvider: String? { claims["idp"]?.string }

  /// The words of `scope`, whether it is a string (RFC 8693 section 4.2) or an array of strings.
  public var scopes: [String] {
    let scope = claims["scope"]
    return scope?.string?.split(separator: " ").map(String.init) ?? scope?.strings ?? []
  }
}
