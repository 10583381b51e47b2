import Crypto

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Decides whether a request really comes from the gateway, and for which user.
///
/// ```swift
/// let keys = KeySetCache { FetchedKeySet(content: try await download("https://gateway.internal:9443/.well-known/jwks.json")) }
/// let verifier = InternalTokenVerifier(keys: keys, issuer: "https://gateway.internal", audience: "orders")
/// let token = try await verifier.verify(field, on: .connection(clientCertificate: der))
/// print(token.subject, token.scopes)
/// ```
///
/// The checks come in this order, and the first that fails names the error: size, structure, `typ`, `alg`, key, signature, then the
/// claims `iss`, `aud`, `exp`, `iat`, `nbf`, `sub` and, in the transaction profile, `txn`; at last `cnf`. No claim is read before
/// the signature holds.
public struct InternalTokenVerifier: Sendable {
  /// Which kind of token the gateway is configured to send (`internal_token.profile`).
  public enum Profile: Sendable {
    /// `typ: int+jwt`.
    case compact
    /// `typ: txntoken+jwt` (draft-ietf-oauth-transaction-tokens); `txn` is required.
    case transaction

    var type: String {
      switch self {
      case .compact: "int+jwt"
      case .transaction: "txntoken+jwt"
      }
    }
  }

  /// The connection that the token came on.
  public enum Connection: Sendable {
    /// The DER bytes of the certificate that the TLS client showed; nil when it showed none, which is refused.
    case connection(clientCertificate: [UInt8]?)
    /// The SHA-256 of those bytes, where a proxy in front of this process took the connection. Believe it only from that proxy.
    case certificateThumbprint([UInt8])
    /// Not known. Whoever gets hold of a token can then use it, until it ends, from anywhere that this backend can be reached from.
    case unchecked
  }

  private let keys: KeySetCache
  private let issuer: String
  private let audience: String
  private let profile: Profile
  private let algorithms: Set<SignatureAlgorithm>
  private let leeway: Int64
  private let maximumBytes: Int
  private let now: @Sendable () -> Int64

  /// - Parameters:
  ///   - issuer: `internal_token.issuer` of the gateway, byte for byte.
  ///   - audience: this backend's name in the gateway's configuration.
  ///   - algorithms: narrower than what the keys allow, if wanted.
  ///   - leeway: seconds, 0…300, by which the gateway's clock and this machine's may differ. What is outside counts as the nearest of
  ///     these: it may come from a service's configuration.
  ///   - maximumBytes: of the whole token.
  ///   - now: seconds since 1970.
  public init(
    keys: KeySetCache, issuer: String, audience: String, profile: Profile = .compact,
    algorithms: Set<SignatureAlgorithm> = Set(SignatureAlgorithm.allCases), leeway: Int64 = 30, maximumBytes: Int = 16 << 10,
    now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970.rounded(.down)) }
  ) {
    self.keys = keys
    self.issuer = issuer
    self.audience = audience
    self.profile = profile
    self.algorithms = algorithms
    self.leeway = min(max(leeway, 0), 300)
    self.maximumBytes = maximumBytes
    self.now = now
  }

  /// - Parameters:
  ///   - token: the value of the field that carries it (`X-Internal-Token`). A request with two such fields is to be refused.
  ///   - connection: what `cnf` is held against.
  public func verify(_ token: String, on connection: Connection) async throws(InternalTokenError) -> InternalToken {
    guard token.utf8.count <= maximumBytes else { throw .tooLarge }
    let parts = try CompactToken(Array(token.utf8))
    // The type first: no other kind of token that was ever signed with the same key may pass (RFC 8725 section 3.11).
    guard parts.type?.isSame(as: profile.type) == true else { throw .type }
    guard let algorithm = SignatureAlgorithm(rawValue: parts.algorithm), algorithms.contains(algorithm) else { throw .algorithm }
    let key = try await keys.key(kid: parts.kid, algorithm: algorithm)
    guard key.isValid(parts.signature, over: parts.signed) else { throw .signature }
    let verified = try check(try parts.claims(), kid: parts.kid, algorithm)
    try check(binding: verified.claims, connection)
    return verified
  }

  private func check(
    _ claims: JSONValue, kid: String?, _ algorithm: SignatureAlgorithm
  ) throws(InternalTokenError) -> InternalToken {
    guard let issuer = claims["iss"]?.string, issuer.isSame(as: self.issuer) else { throw .issuer }
    guard let audience = claims["aud"]?.string, audience.isSame(as: self.audience) else { throw .audience }
    let now = now()
    // Compared as differences that cannot overflow: the claims hold any number.
    guard let expiresAt = claims["exp"]?.seconds else { throw .claim("exp") }
    guard now - leeway < expiresAt else { throw .expired }
    guard let issuedAt = claims["iat"]?.seconds else { throw .claim("iat") }
    guard issuedAt <= now + leeway else { throw .notYetValid }
    if let claim = claims["nbf"] {
      guard let notBefore = claim.seconds else { throw .claim("nbf") }
      guard notBefore <= now + leeway else { throw .notYetValid }
    }
    guard let subject = claims["sub"]?.string, !subject.isEmpty else { throw .claim("sub") }
    let transaction = claims["txn"]?.string
    if profile == .transaction, transaction?.isEmpty ?? true { throw .claim("txn") }
    return InternalToken(
      subject: subject, issuer: issuer, audience: audience, issuedAt: issuedAt, expiresAt: expiresAt,
      transaction: transaction, keyID: kid, algorithm: algorithm, claims: claims)
  }

  /// RFC 8705 section 3.1: the token holds on the connection that was opened with the certificate it names, and on no other.
  private func check(binding claims: JSONValue, _ connection: Connection) throws(InternalTokenError) {
    let shown: [UInt8]
    switch connection {
    case .unchecked: return
    case .connection(let certificate):
      guard let certificate else { throw .binding }
      shown = Array(SHA256.hash(data: certificate))
    case .certificateThumbprint(let thumbprint): shown = thumbprint
    }
    guard let text = claims["cnf"]?["x5t#S256"]?.string, let bound = Base64URL.decode(text.utf8),
      bound.count == SHA256.byteCount, shown.count == bound.count
    else { throw .binding }
    // Without a branch that depends on where they differ.
    let difference = zip(bound, shown).reduce(0 as UInt8) { $0 | $1.0 ^ $1.1 }
    guard difference == 0 else { throw .binding }
  }
}
