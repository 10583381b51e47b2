import Foundation
import JSON

@testable import Tokens

/// Keys made at run time, and tokens signed with them.
struct TestIssuer {
  static let now: Int64 = 1_800_000_000
  let key: SigningKey
  let pem: [UInt8]

  init(_ kind: KeyGeneration.Kind = .es256, kid: String = "k1") {
    pem = try! KeyGeneration.makePEM(kind)
    key = try! SigningKey(kid: kid, algorithm: kind == .edDSA ? .edDSA : .es256, pem: pem)
  }

  var keySet: KeySet { try! KeySet.parse(key.publicJWK.asKeySet) }

  static func claims(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("iss", "https://idp.example.com/"), ("sub", "alice"), ("aud", "api"), ("exp", .integer(now + 300)), ("iat", .integer(now)),
      ("scope", "orders:read orders:write"), ("tenant", .object([JSONMember("id", .integer(7))])),
    ]
    for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
      members.removeAll { $0.0 == name }
      if let value { members.append((name, value)) }
    }
    return .object(members.map { JSONMember($0.0, $0.1) })
  }

  func header(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("alg", JSONValue(text: "\(key.algorithm.name)")), ("typ", "at+jwt"), ("kid", JSONValue(text: key.kid)),
    ]
    for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
      members.removeAll { $0.0 == name }
      if let value { members.append((name, value)) }
    }
    return .object(members.map { JSONMember($0.0, $0.1) })
  }

  func token(_ claims: JSONValue = claims(), header: JSONValue? = nil) -> [UInt8] {
    token(payload: JSONWriter.bytes(claims), header: JSONWriter.bytes(header ?? self.header()))
  }

  func token(payload: [UInt8], header: [UInt8]) -> [UInt8] {
    var token = Base64URL.encode(header) + [0x2e] + Base64URL.encode(payload)
    guard let signature = key.sign(token.span) else { preconditionFailure("not signed") }
    token.append(0x2e)
    Base64URL.append(signature.span, to: &token)
    return token
  }

  func provider(
    name: String = "main", issuer: String = "https://idp.example.com/", audiences: [String] = ["api"],
    algorithms: [JOSEAlgorithm] = [.es256, .edDSA, .rs256], leeway: Int64 = 30,
    requiredClaims: [IdentityProvider.RequiredClaim] = [], maximumTokenBytes: Int = 8 << 10, keySet: KeySet? = nil
  ) -> IdentityProvider {
    IdentityProvider(
      name: name, issuer: issuer, audiences: audiences, algorithms: algorithms, leeway: leeway, requiredClaims: requiredClaims,
      maximumTokenBytes: maximumTokenBytes, keySet: keySet ?? self.keySet)
  }
}

extension AccessTokenVerifier {
  convenience init(_ providers: IdentityProvider...) { self.init(providers: providers, cacheBytes: 1 << 20) }

  func verify(_ token: [UInt8], acceptable: ProviderSet = ProviderSet([0]), now: Int64 = TestIssuer.now) -> TokenVerdict {
    verify(token.span, acceptable: acceptable, now: now)
  }

  func denial(_ token: [UInt8], acceptable: ProviderSet = ProviderSet([0]), now: Int64 = TestIssuer.now) -> TokenDenial? {
    if case .denied(let denial) = verify(token, acceptable: acceptable, now: now) { denial } else { nil }
  }
}

extension TokenVerdict {
  var token: VerifiedToken? { if case .accepted(let token, _) = self { token } else { nil } }
  var wasCached: Bool? { if case .accepted(_, let cached) = self { cached } else { nil } }
}
