import Bytes
import Cryptography

/// A signature algorithm of JWS (RFC 7518 section 3.1, RFC 8037). There is no case for `none`.
package enum JOSEAlgorithm: UInt8, Sendable, CaseIterable {
  case es256, es384, es512
  case rs256, rs384, rs512
  case ps256, ps384, ps512
  /// Ed25519 only.
  case edDSA
  case hs256, hs384, hs512

  package enum Family: Sendable { case ecdsa, rsaPKCS1, rsaPSS, edDSA, hmac }

  package var family: Family {
    switch self {
    case .es256, .es384, .es512: .ecdsa
    case .rs256, .rs384, .rs512: .rsaPKCS1
    case .ps256, .ps384, .ps512: .rsaPSS
    case .edDSA: .edDSA
    case .hs256, .hs384, .hs512: .hmac
    }
  }

  /// The JWA name, as `alg` spells it.
  package var name: StaticString {
    switch self {
    case .es256: "ES256"
    case .es384: "ES384"
    case .es512: "ES512"
    case .rs256: "RS256"
    case .rs384: "RS384"
    case .rs512: "RS512"
    case .ps256: "PS256"
    case .ps384: "PS384"
    case .ps512: "PS512"
    case .edDSA: "EdDSA"
    case .hs256: "HS256"
    case .hs384: "HS384"
    case .hs512: "HS512"
    }
  }

  /// Bytes of the digest; also the least length of an HMAC key (RFC 7518 section 3.2). For EdDSA, which digests inside: 64.
  package var digestCount: Int { hash?.count ?? 64 }

  /// Nil for EdDSA, which takes the message itself.
  var hash: HashFunction? {
    switch self {
    case .es256, .rs256, .ps256, .hs256: .sha256
    case .es384, .rs384, .ps384, .hs384: .sha384
    case .es512, .rs512, .ps512, .hs512: .sha512
    case .edDSA: nil
    }
  }

  /// How a pair of keys signs with it; nil for HMAC.
  var scheme: SignatureScheme? {
    guard let hash else { return .ed25519 }
    return switch family {
    case .ecdsa: .ecdsa(hash)
    case .rsaPKCS1: .rsaPKCS1(hash)
    case .rsaPSS: .rsaPSS(hash)
    case .edDSA, .hmac: nil
    }
  }

  /// For libjwt, whose version 1 knows neither PS* nor EdDSA.
  var libjwt: LibJWT.Algorithm? {
    switch self {
    case .es256: .es256
    case .es384: .es384
    case .es512: .es512
    case .rs256: .rs256
    case .rs384: .rs384
    case .rs512: .rs512
    case .hs256: .hs256
    case .hs384: .hs384
    case .hs512: .hs512
    case .ps256, .ps384, .ps512, .edDSA: nil
    }
  }

  /// Names are case-sensitive (RFC 7515 section 4.1.1). Nil for every name that is not one of ours, `none` among them.
  package init?(name: [UInt8]) {
    for algorithm in Self.allCases where name.span.equals(algorithm.name) {
      self = algorithm
      return
    }
    return nil
  }

  package init?(_ name: String) { self.init(name: Array(name.utf8)) }
}

/// Some of the algorithms.
package struct AlgorithmSet: OptionSet, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }
  package init(_ algorithm: JOSEAlgorithm) { rawValue = 1 << UInt16(algorithm.rawValue) }
  package init(_ algorithms: [JOSEAlgorithm]) { rawValue = algorithms.reduce(0) { $0 | 1 << UInt16($1.rawValue) } }

  package static let rsa = AlgorithmSet([.rs256, .rs384, .rs512, .ps256, .ps384, .ps512])
  package static let hmac = AlgorithmSet([.hs256, .hs384, .hs512])
  package static let asymmetric = AlgorithmSet(JOSEAlgorithm.allCases).subtracting(.hmac)

  package func contains(_ algorithm: JOSEAlgorithm) -> Bool { rawValue & 1 << UInt16(algorithm.rawValue) != 0 }
}
