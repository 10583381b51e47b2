/// Why a token was refused. The codes are part of the contract: they stand in answers, logs and metrics.
package enum TokenDenial: UInt8, Error, Sendable, CaseIterable {
  /// No token where the provider looks for one.
  case missing
  /// Two tokens in one request.
  case ambiguous
  /// Not a compact JWS with a JSON header and JSON claims, or `crit` names an extension.
  case malformed
  /// `alg` is none that the provider names, or not the key's.
  case algorithm
  /// No key of the provider's fits.
  case keyUnknown
  case signature
  /// On or after `exp`, leeway granted.
  case expired
  /// `nbf` or `iat` is in the future, leeway granted.
  case notYetValid
  case issuer
  case audience
  /// `typ` is none that the provider accepts.
  case type
  /// `exp` or `sub` is missing, a registered claim has the wrong type, or a required claim does not fit.
  case claims
  case revoked
  /// The issuer says that the token is not active: unknown to it, expired or withdrawn (RFC 7662 section 2.2).
  case inactive
  /// An API key that nobody was given, or that was withdrawn.
  case apiKeyInvalid
  case tooLarge
  /// The token is bound to a certificate or key that its sender has not shown, or the provider's tokens must be bound and this
  /// one is not.
  case binding
  /// A bound token without its DPoP proof, or with two.
  case proofMissing
  case proofInvalid
  case proofReplayed
  /// The key has shown so many proofs that no more of its own can be remembered: answered with 429.
  case proofRate
  /// The proof lacks a nonce of the gateway's that is still good.
  case proofNonce
  /// It cannot be told who was revoked: no fault of the token's, answered with 503.
  case revocationUnavailable
  /// The provider's key set was never loaded: no fault of the token's, answered with 503.
  case keysUnavailable
  /// The issuer cannot be asked whether the token is good: no fault of the token's, answered with 503.
  case introspectionUnavailable

  package var code: StaticString {
    switch self {
    case .missing: "token_missing"
    case .ambiguous: "token_ambiguous"
    case .malformed: "token_malformed"
    case .algorithm: "token_algorithm"
    case .keyUnknown: "token_key_unknown"
    case .signature: "token_signature"
    case .expired: "token_expired"
    case .notYetValid: "token_not_yet_valid"
    case .issuer: "token_issuer"
    case .audience: "token_audience"
    case .type: "token_type"
    case .claims: "token_claims"
    case .revoked: "token_revoked"
    case .inactive: "token_inactive"
    case .apiKeyInvalid: "api_key_invalid"
    case .tooLarge: "token_too_large"
    case .binding: "token_binding"
    case .proofMissing: "proof_missing"
    case .proofInvalid: "proof_invalid"
    case .proofReplayed: "proof_replayed"
    case .proofRate: "proof_rate"
    case .proofNonce: "proof_nonce"
    case .revocationUnavailable: "revocation_unavailable"
    case .keysUnavailable: "keys_unavailable"
    case .introspectionUnavailable: "introspection_unavailable"
    }
  }
}
