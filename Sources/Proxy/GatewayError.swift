import HTTP1
import HTTP2
import Tokens
import Upstream

/// Why the gateway itself answers a request: one case per denial code of the contract.
///
/// The code is the stable word for it, in the answer, the access log and the metric. The raw value indexes the metric's
/// names and means nothing else.
package enum GatewayError: UInt8, Error, CaseIterable, Sendable {
  case badRequest, badPath, badHost, badFraming, tlsRequired, versionNotSupported, logoutRefused
  case tokenMissing, tokenAmbiguous, tokenMalformed, tokenAlgorithm, tokenKeyUnknown, tokenSignature, tokenExpired
  case tokenNotYetValid, tokenIssuer, tokenAudience, tokenType, tokenClaims, tokenRevoked, tokenTooLarge
  case tokenInactive, apiKeyInvalid
  case tokenBinding, proofMissing, proofInvalid, proofReplayed, proofNonce
  case scopeMissing, claimDenied, policyDenied, crossSite
  case noRoute, methodNotAllowed
  case requestTimeout, bodyTooLarge, uriTooLong, expectationFailed, connectionOutdated, proofRate, headersTooLarge
  case upstreamConnect, upstreamTLS, upstreamIdentity, upstreamProtocol, upstreamReset
  case keysUnavailable, revocationUnavailable, introspectionUnavailable, overloaded, draining
  case upstreamTimeout
  /// The client does not take its answer: there is no telling it, so this is a word of the log and the metric alone.
  case clientTooSlow
  /// The gateway could not do its own part (no random bytes, no signature). Nothing was forwarded.
  case internalError
  /// The principal's claims do not fit into an internal token.
  case internalTokenTooLarge

  /// The code, the status and the title (RFC 9457 section 3.1) of each case.
  private var row: (code: StaticString, status: UInt16, title: StaticString) {
    switch self {
    case .badRequest: ("bad_request", 400, "The request is not well-formed HTTP.")
    case .badPath: ("bad_path", 400, "The path can be read in more than one way.")
    case .badHost: ("bad_host", 400, "The host is missing, repeated or malformed.")
    case .badFraming: ("bad_framing", 400, "Where the request ends is not clear.")
    case .tlsRequired: ("tls_required", 400, "This port speaks TLS.")
    case .versionNotSupported: ("version_not_supported", 505, "This version of HTTP is not served here.")
    case .logoutRefused: ("logout_refused", 400, "The logout token does not hold.")
    case .tokenMissing: ("token_missing", 401, "An access token is required.")
    case .tokenAmbiguous: ("token_ambiguous", 401, "The request carries more than one access token.")
    case .tokenMalformed: ("token_malformed", 401, "The access token is not a well-formed JWT.")
    case .tokenAlgorithm: ("token_algorithm", 401, "The access token's algorithm is not accepted.")
    case .tokenKeyUnknown: ("token_key_unknown", 401, "No known key belongs to the access token.")
    case .tokenSignature: ("token_signature", 401, "The access token's signature does not verify.")
    case .tokenExpired: ("token_expired", 401, "The access token has expired.")
    case .tokenNotYetValid: ("token_not_yet_valid", 401, "The access token is not valid yet.")
    case .tokenIssuer: ("token_issuer", 401, "The access token's issuer is not accepted.")
    case .tokenAudience: ("token_audience", 401, "The access token is for another audience.")
    case .tokenType: ("token_type", 401, "The token is of a type that is not accepted.")
    case .tokenClaims: ("token_claims", 401, "The access token's claims are not accepted.")
    case .tokenRevoked: ("token_revoked", 401, "The access token was revoked.")
    case .tokenInactive: ("token_inactive", 401, "The access token is not active.")
    case .apiKeyInvalid: ("api_key_invalid", 401, "The API key is not known.")
    case .tokenTooLarge: ("token_too_large", 401, "The access token is too large.")
    case .tokenBinding: ("token_binding", 401, "The access token is not bound to whoever sent it.")
    case .proofMissing: ("proof_missing", 401, "The access token needs a DPoP proof.")
    case .proofInvalid: ("proof_invalid", 401, "The DPoP proof does not hold.")
    case .proofReplayed: ("proof_replayed", 401, "The DPoP proof was used before.")
    case .proofNonce: ("proof_nonce", 401, "The DPoP proof needs a nonce that is still good.")
    case .scopeMissing: ("scope_missing", 403, "The access token lacks a required scope.")
    case .claimDenied: ("claim_denied", 403, "The access token's claims do not permit this.")
    case .policyDenied: ("policy_denied", 403, "Policy does not permit this.")
    case .crossSite: ("cross_site", 403, "A request that a cookie vouches for must come from this site.")
    case .noRoute: ("no_route", 404, "Nothing is served here.")
    case .methodNotAllowed: ("method_not_allowed", 405, "The method is not allowed here.")
    case .requestTimeout: ("request_timeout", 408, "The request took too long to arrive.")
    case .bodyTooLarge: ("body_too_large", 413, "The request's content is too large.")
    case .uriTooLong: ("uri_too_long", 414, "The request target is too long.")
    case .expectationFailed: ("expectation_failed", 417, "The expectation cannot be met.")
    case .connectionOutdated: ("connection_outdated", 421, "What let this connection in has changed: open another.")
    case .proofRate: ("proof_rate", 429, "This key has shown too many DPoP proofs.")
    case .headersTooLarge: ("headers_too_large", 431, "The request's header fields are too large or too many.")
    case .upstreamConnect: ("upstream_connect", 502, "The backend cannot be reached.")
    case .upstreamTLS: ("upstream_tls", 502, "No trusted connection to the backend could be made.")
    case .upstreamIdentity: ("upstream_identity", 502, "The backend is not who it should be.")
    case .upstreamProtocol: ("upstream_protocol", 502, "The backend's response is not well-formed.")
    case .upstreamReset: ("upstream_reset", 502, "The backend closed the connection.")
    case .keysUnavailable: ("keys_unavailable", 503, "The keys to check the access token with are not available.")
    case .revocationUnavailable: ("revocation_unavailable", 503, "Which access tokens were revoked is not known.")
    case .introspectionUnavailable: ("introspection_unavailable", 503, "Whether the access token is active is not known.")
    case .overloaded: ("overloaded", 503, "There is no capacity left for this request.")
    case .draining: ("draining", 503, "The gateway is shutting down.")
    case .upstreamTimeout: ("upstream_timeout", 504, "The backend took too long to answer.")
    case .clientTooSlow: ("client_too_slow", 499, "The client took its answer too slowly.")
    case .internalError: ("internal_error", 500, "The gateway could not handle the request.")
    case .internalTokenTooLarge: ("internal_token_too_large", 500, "The user's claims do not fit into an internal token.")
    }
  }

  /// The denial code.
  package var code: StaticString { row.code }
  package var status: Int { Int(row.status) }
  package var title: StaticString { row.title }

  /// Whether what is wrong is the DPoP proof and not the token (RFC 9449 section 7.1).
  package var isAboutProof: Bool {
    switch self {
    case .proofMissing, .proofInvalid, .proofReplayed, .proofNonce: true
    default: false
    }
  }

  /// Whether where the next request begins is in doubt, so that the connection must end with the answer.
  package var endsConnection: Bool {
    switch self {
    case .badRequest, .badPath, .badHost, .badFraming, .tlsRequired, .versionNotSupported, .requestTimeout, .uriTooLong, .headersTooLarge: true
    default: false
    }
  }

  package init(_ error: HeadError) {
    switch error {
    case .badRequest: self = .badRequest
    case .badPath: self = .badPath
    case .badHost: self = .badHost
    case .badFraming: self = .badFraming
    case .uriTooLong: self = .uriTooLong
    case .headersTooLarge: self = .headersTooLarge
    case .versionNotSupported: self = .versionNotSupported
    case .expectationFailed: self = .expectationFailed
    }
  }

  package init(_ error: HTTP2HeadError) {
    switch error {
    case .badRequest: self = .badRequest
    case .badPath: self = .badPath
    case .badHost: self = .badHost
    case .badFraming: self = .badFraming
    case .uriTooLong: self = .uriTooLong
    case .headersTooLarge: self = .headersTooLarge
    case .expectationFailed: self = .expectationFailed
    }
  }

  package init(_ denial: TokenDenial) {
    switch denial {
    case .missing: self = .tokenMissing
    case .ambiguous: self = .tokenAmbiguous
    case .malformed: self = .tokenMalformed
    case .algorithm: self = .tokenAlgorithm
    case .keyUnknown: self = .tokenKeyUnknown
    case .signature: self = .tokenSignature
    case .expired: self = .tokenExpired
    case .notYetValid: self = .tokenNotYetValid
    case .issuer: self = .tokenIssuer
    case .audience: self = .tokenAudience
    case .type: self = .tokenType
    case .claims: self = .tokenClaims
    case .revoked: self = .tokenRevoked
    case .inactive: self = .tokenInactive
    case .apiKeyInvalid: self = .apiKeyInvalid
    case .tooLarge: self = .tokenTooLarge
    case .binding: self = .tokenBinding
    case .proofMissing: self = .proofMissing
    case .proofInvalid: self = .proofInvalid
    case .proofReplayed: self = .proofReplayed
    case .proofRate: self = .proofRate
    case .proofNonce: self = .proofNonce
    case .revocationUnavailable: self = .revocationUnavailable
    case .keysUnavailable: self = .keysUnavailable
    case .introspectionUnavailable: self = .introspectionUnavailable
    }
  }

  package init(_ failure: MintFailure) {
    switch failure {
    case .expired: self = .tokenExpired
    case .tooLarge: self = .internalTokenTooLarge
    case .actor: self = .tokenClaims
    case .signature: self = .internalError
    }
  }

  package init(_ failure: UpstreamFailure.Kind) {
    switch failure {
    case .connect: self = .upstreamConnect
    case .tls: self = .upstreamTLS
    case .identity: self = .upstreamIdentity
    case .protocol: self = .upstreamProtocol
    case .reset: self = .upstreamReset
    case .timeout: self = .upstreamTimeout
    case .overloaded: self = .overloaded
    }
  }
}
