import Crypto
import Foundation

@testable import GatehouseBackend

/// A gateway's key, and tokens signed with it, with any defect.
struct TestGateway: Sendable {
  static let now: Int64 = 1_800_000_000
  static let certificate: [UInt8] = Array("the DER of the gateway's certificate".utf8)

  enum Key: Sendable {
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case p521(P521.Signing.PrivateKey)
    case ed25519(Curve25519.Signing.PrivateKey)
  }

  let key: Key
  let kid: String

  init(_ algorithm: SignatureAlgorithm = .es256, kid: String = "2026-11") {
    self.kid = kid
    key =
      switch algorithm {
      case .es256: .p256(P256.Signing.PrivateKey())
      case .es384: .p384(P384.Signing.PrivateKey())
      case .es512: .p521(P521.Signing.PrivateKey())
      case .edDSA: .ed25519(Curve25519.Signing.PrivateKey())
      }
  }

  var algorithm: String {
    switch key {
    case .p256: "ES256"
    case .p384: "ES384"
    case .p521: "ES512"
    case .ed25519: "EdDSA"
    }
  }

  /// The members of the public JWK, without braces.
  var jwk: String {
    let point: Data
    let curve: String
    switch key {
    case .p256(let key): (point, curve) = (key.publicKey.rawRepresentation, "P-256")
    case .p384(let key): (point, curve) = (key.publicKey.rawRepresentation, "P-384")
    case .p521(let key): (point, curve) = (key.publicKey.rawRepresentation, "P-521")
    case .ed25519(let key):
      return #""kty":"OKP","crv":"Ed25519","x":"\#(base64url(key.publicKey.rawRepresentation))","kid":"\#(kid)""#
    }
    let half = point.count / 2
    let (x, y) = (base64url(point.prefix(half)), base64url(point.suffix(half)))
    return #""kty":"EC","crv":"\#(curve)","x":"\#(x)","y":"\#(y)","kid":"\#(kid)""#
  }

  static func jwks(_ gateways: TestGateway...) -> [UInt8] {
    Array("{\"keys\":[\(gateways.map { "{\($0.jwk)}" }.joined(separator: ","))]}".utf8)
  }

  var header: String { #"{"alg":"\#(algorithm)","typ":"int+jwt","kid":"\#(kid)"}"# }

  /// Sound claims; each of `changes` replaces the member of its name, or leaves it out when nil.
  static func claims(_ changes: [String: String?] = [:]) -> String {
    let thumbprint = base64url(SHA256.hash(data: certificate))
    var members = [
      "iss": "\"https://gateway.internal\"", "aud": "\"orders\"", "sub": "\"alice\"", "iat": "\(now)", "exp": "\(now + 60)",
      "scope": "\"orders:read orders:write\"", "tenant": "\"acme\"", "idp": "\"https://idp.example.com/\"",
      "cnf": #"{"x5t#S256":"\#(thumbprint)"}"#,
    ]
    for (name, value) in changes { members[name] = value }
    return "{\(members.map { "\"\($0)\":\($1)" }.joined(separator: ","))}"
  }

  func token(_ claims: String = TestGateway.claims(), header: String? = nil) -> String {
    let signed = base64url((header ?? self.header).utf8) + "." + base64url(claims.utf8)
    return signed + "." + base64url(sign(Array(signed.utf8)))
  }

  func sign(_ message: [UInt8]) -> [UInt8] {
    switch key {
    case .p256(let key): Array((try? key.signature(for: message).rawRepresentation) ?? Data())
    case .p384(let key): Array((try? key.signature(for: message).rawRepresentation) ?? Data())
    case .p521(let key): Array((try? key.signature(for: message).rawRepresentation) ?? Data())
    case .ed25519(let key): Array((try? key.signature(for: message)) ?? Data())
    }
  }

  /// Verifies for `orders`, with the keys of this gateway, at `now`.
  func verifier(
    profile: InternalTokenVerifier.Profile = .compact, algorithms: Set<SignatureAlgorithm> = Set(SignatureAlgorithm.allCases),
    leeway: Int64 = 30, now: Int64 = TestGateway.now
  ) -> InternalTokenVerifier {
    let jwks = Self.jwks(self)
    return InternalTokenVerifier(
      keys: KeySetCache { FetchedKeySet(content: jwks) }, issuer: "https://gateway.internal", audience: "orders",
      profile: profile, algorithms: algorithms, leeway: leeway, now: { now })
  }

  /// What the verifier says: nil when the token holds.
  func refusal(
    of token: String, on connection: InternalTokenVerifier.Connection = .connection(clientCertificate: certificate),
    leeway: Int64 = 30, now: Int64 = TestGateway.now
  ) async -> InternalTokenError? {
    do throws(InternalTokenError) {
      _ = try await verifier(leeway: leeway, now: now).verify(token, on: connection)
      return nil
    } catch {
      return error
    }
  }
}

func base64url(_ bytes: some Sequence<UInt8>) -> String {
  Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
    .replacingOccurrences(of: "=", with: "")
}
