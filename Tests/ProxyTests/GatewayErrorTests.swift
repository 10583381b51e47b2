import HTTP1
import Proxy
import Testing
import Tokens
import Upstream

struct GatewayErrorTests {
  /// The codes of the contract, with their statuses.
  private static let contract: [(status: Int, codes: [String])] = [
    (400, ["bad_request", "bad_path", "bad_host", "bad_framing", "logout_refused", "tls_required"]),
    (
      401,
      [
        "token_missing", "token_ambiguous", "token_malformed", "token_algorithm", "token_key_unknown", "token_signature",
        "token_expired", "token_not_yet_valid", "token_issuer", "token_audience", "token_type", "token_claims", "token_revoked",
        "token_inactive", "api_key_invalid", "token_too_large", "token_binding", "proof_missing", "proof_invalid",
        "proof_replayed", "proof_nonce",
      ]
    ),
    (403, ["scope_missing", "claim_denied", "policy_denied", "cross_site"]), (404, ["no_route"]), (405, ["method_not_allowed"]),
    (408, ["request_timeout"]), (413, ["body_too_large"]), (414, ["uri_too_long"]), (417, ["expectation_failed"]),
    (421, ["connection_outdated"]), (429, ["proof_rate"]), (431, ["headers_too_large"]), (499, ["client_too_slow"]),
    (500, ["internal_error", "internal_token_too_large"]),
    (502, ["upstream_connect", "upstream_tls", "upstream_identity", "upstream_protocol", "upstream_reset"]),
    (503, ["keys_unavailable", "revocation_unavailable", "introspection_unavailable", "overloaded", "draining"]),
    (504, ["upstream_timeout"]),
    (505, ["version_not_supported"]),
  ]

  @Test(arguments: contract) func `Every code of the contract has its status`(status: Int, codes: [String]) {
    let made = GatewayError.allCases.filter { $0.status == status }.map { $0.code.description }
    #expect(Set(made) == Set(codes))
    #expect(made.count == codes.count)
  }

  @Test func `Codes are unique, and nothing is answered that the contract does not list`() {
    let codes = GatewayError.allCases.map { $0.code.description }
    #expect(Set(codes).count == codes.count)
    #expect(Set(codes) == Set(Self.contract.flatMap(\.codes)))
  }

  @Test(arguments: GatewayError.allCases) func `Titles are sentences that fit into JSON and a quoted string`(error: GatewayError)
  {
    let title = error.title.description
    #expect(title.hasSuffix("."))
    #expect(title.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
  }

  @Test func `The connection ends where it is in doubt where the next request begins`() {
    let ending = GatewayError.allCases.filter(\.endsConnection)
    #expect(
      Set(ending) == [
        .badRequest, .badPath, .badHost, .badFraming, .tlsRequired, .versionNotSupported, .requestTimeout, .uriTooLong, .headersTooLarge,
      ])
  }

  @Test func `What the head parser refuses is answered under the same name`() {
    #expect(GatewayError(HeadError.badRequest) == .badRequest)
    #expect(GatewayError(HeadError.badPath) == .badPath)
    #expect(GatewayError(HeadError.badHost) == .badHost)
    #expect(GatewayError(HeadError.badFraming) == .badFraming)
    #expect(GatewayError(HeadError.uriTooLong) == .uriTooLong)
    #expect(GatewayError(HeadError.headersTooLarge) == .headersTooLarge)
    #expect(GatewayError(HeadError.versionNotSupported) == .versionNotSupported)
    #expect(GatewayError(HeadError.expectationFailed) == .expectationFailed)
  }

  @Test func `Every token denial is a 401 of its own, but for keys that are not there`() {
    let denials: [TokenDenial] = [
      .missing, .ambiguous, .malformed, .algorithm, .keyUnknown, .signature, .expired, .notYetValid, .issuer, .audience, .type,
      .claims, .revoked, .tooLarge,
    ]
    #expect(denials.allSatisfy { GatewayError($0).status == 401 })
    #expect(Set(denials.map { GatewayError($0) }).count == denials.count)
    #expect(GatewayError(TokenDenial.keysUnavailable) == .keysUnavailable)
  }

  @Test func `Every upstream failure has an answer`() {
    let answers = UpstreamFailure.Kind.allCases.map { GatewayError($0).code.description }
    #expect(
      answers == [
        "upstream_connect", "upstream_tls", "upstream_identity", "upstream_protocol", "upstream_reset", "upstream_timeout",
        "overloaded",
      ])
  }
}
