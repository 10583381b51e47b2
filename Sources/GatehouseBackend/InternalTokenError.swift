/// Why an internal token is not believed. A backend answers 401 to all of them but `.keysUnavailable`, which is 503.
public enum InternalTokenError: Error, Sendable, Equatable {
  /// Longer than the verifier takes.
  case tooLarge
  /// No JWS in compact serialization (RFC 7515 section 7.1) over a JSON object, or not in the only spelling that is read here.
  case malformed(String)
  /// `typ` is not the profile's (RFC 8725 section 3.11).
  case type
  /// `alg` is none that the verifier takes, or not the one of the key that `kid` names (RFC 8725 section 3.1).
  case algorithm
  /// The gateway publishes no key of that `kid`, or none was named and several would fit.
  case unknownKey
  case signature
  /// A claim that the profile requires is missing or of the wrong type; its name.
  case claim(String)
  /// `iss` is another issuer (RFC 7519 section 4.1.1).
  case issuer
  /// `aud` is another backend (RFC 7519 section 4.1.3).
  case audience
  /// At or after `exp` (RFC 7519 section 4.1.4), leeway granted.
  case expired
  /// Before `nbf` or `iat` (RFC 7519 sections 4.1.5 and 4.1.6), leeway granted.
  case notYetValid
  /// `cnf` does not name the certificate of this connection (RFC 8705 section 3.1), or the connection has none.
  case binding
  /// No key set could be fetched so far: no fault of the token's.
  case keysUnavailable

  /// A stable word for logs and metrics.
  public var code: String {
    switch self {
    case .tooLarge: "token_too_large"
    case .malformed: "token_malformed"
    case .type: "token_type"
    case .algorithm: "token_algorithm"
    case .unknownKey: "token_key_unknown"
    case .signature: "token_signature"
    case .claim: "token_claims"
    case .issuer: "token_issuer"
    case .audience: "token_audience"
    case .expired: "token_expired"
    case .notYetValid: "token_not_yet_valid"
    case .binding: "token_binding"
    case .keysUnavailable: "keys_unavailable"
    }
  }
}
