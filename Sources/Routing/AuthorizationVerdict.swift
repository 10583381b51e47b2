/// What a route's `authorize` says to a principal. Each denial is one of the contract's 403 codes.
package enum AuthorizationVerdict: UInt8, Sendable, Equatable {
  case allowed
  /// A scope is missing, or the scope claim has a type that does not fit: `insufficient_scope` (RFC 6750 section 3.1).
  case scopeMissing
  /// A role or claim is missing, has another value, or a type that does not fit.
  case claimDenied
  /// A policy said no.
  case policyDenied
}
