import JSON
import Tokens

/// Issues development access tokens: the part of the identity provider that needs no socket.
package struct DevelopmentIssuer: Sendable {
  /// Who is vouched for, and what is said of them.
  package struct Grant: Sendable, Equatable {
    package var subject = "alice"
    package var scope = "orders:read orders:write"
    package var audience = "api"
    package var roles: [String] = []
    package var tenant = "acme"
    /// Seconds, 1 to 86,400.
    package var lifetime: Int64 = 3600
    package init() {}
  }

  package let issuer: String
  private let key: [UInt8]
  let keySet: [UInt8]

  /// - Parameters:
  ///   - issuer: the `iss` of its tokens.
  ///   - directory: of a `DevelopmentPKI`.
  package init(issuer: String, directory: String) throws {
    let pki = DevelopmentPKI(directory: directory)
    self.issuer = issuer
    key = try TextFile.read(pki.path("idp.key"))
    keySet = try TextFile.read(pki.path("idp.jwks.json"))
  }

  /// - Parameter now: Unix seconds.
  package func token(_ grant: Grant, now: Int64) throws -> String {
    var claims = [
      JSONMember("iss", JSONValue(text: issuer)), JSONMember("sub", JSONValue(text: grant.subject)),
      JSONMember("aud", JSONValue(text: grant.audience)), JSONMember("iat", .integer(now)),
      JSONMember("exp", .integer(now + min(max(grant.lifetime, 1), 86_400))), JSONMember("scope", JSONValue(text: grant.scope)),
    ]
    if !grant.roles.isEmpty { claims.append(JSONMember("roles", .array(grant.roles.map { JSONValue(text: $0) }))) }
    if !grant.tenant.isEmpty { claims.append(JSONMember("tenant", JSONValue(text: grant.tenant))) }
    return String(
      decoding: try DevelopmentToken.issue(claims: .object(claims), algorithm: .es256, pem: key, kid: DevelopmentPKI.keyID),
      as: UTF8.self)
  }
}
