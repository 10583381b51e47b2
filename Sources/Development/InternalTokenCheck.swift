import JSON
import TLS
import Tokens

/// What a backend does with an internal token before it believes a word of it.
///
/// Written to be read by somebody who has to do the same in another language: one check after the other, in this order.
struct InternalTokenCheck: Sendable {
  /// The gateway's public keys: `/.well-known/jwks.json` of its admin listener, or the file beside its key.
  let keys: KeySet
  /// This backend's name, which `aud` must be.
  let audience: String
  /// Seconds by which this machine's clock may differ from the gateway's.
  let leeway: Int64 = 30

  struct Verdict: Sendable {
    /// Nil when the token holds; else the first check that it failed, in words.
    var refusal: String?
    /// Whether `cnf` names the certificate that this very connection was opened with (RFC 8705 section 3.1).
    var isBound = false
    var header: JSONValue?
    /// As the token has them, believed or not.
    var claims: JSONValue?
  }

  /// - Parameters:
  ///   - peer: who opened the connection.
  ///   - now: Unix seconds.
  func check(_ token: String, peer: PeerIdentity?, now: Int64) -> Verdict {
    var verdict = Verdict()
    do throws(TokenDenial) {
      verdict.refusal = try firstRefusal(Array(token.utf8).span, peer, now, &verdict)
    } catch {
      verdict.refusal = "the token is not a JWS that this key set can verify (\(error.code))"
    }
    return verdict
  }

  private func firstRefusal(
    _ token: Span<UInt8>, _ peer: PeerIdentity?, _ now: Int64, _ verdict: inout Verdict
  ) throws(TokenDenial) -> String? {
    let parts = try CompactJWS(token)
    verdict.header = parts.header
    guard let claims = try? JSONParser.parse(parts.payload, limits: .token), claims.members != nil else {
      return "the claims are no JSON object"
    }
    verdict.claims = claims
    // The type first: no other kind of token that was ever signed with the same key may pass (RFC 8725 section 3.11).
    guard parts.type == Array("int+jwt".utf8) else { return "typ is not int+jwt" }
    guard let algorithm = parts.algorithm, algorithm == .es256 || algorithm == .edDSA else {
      return "alg is neither ES256 nor EdDSA"
    }
    let signature = parts.signature
    let signed = token.extracting(..<parts.signedCount)
    var isSigned = false
    for key in try keys.candidates(kid: parts.kid, algorithm: algorithm) where !isSigned {
      isSigned = SignatureVerifier().isValid(signature.span, over: signed, by: key, algorithm: algorithm)
    }
    guard isSigned else { return "the signature is wrong" }
    guard claims.member("aud") == JSONValue(text: audience) else { return "aud is not \(audience)" }
    // The leeway goes to our side of each comparison: a claim may hold the largest number there is.
    guard let expiry = claims.member("exp")?.flooredInteger, now - leeway < expiry else { return "exp is missing or past" }
    guard let issued = claims.member("iat")?.flooredInteger, issued <= now + leeway else {
      return "iat is missing or in the future"
    }
    // Last, the binding: a token lifted from a log or another connection stops here.
    guard let bound = claims.value(at: "cnf")?.member("x5t#S256")?.bytes, let thumbprint = peer?.thumbprint,
      bound == Base64URL.encode(thumbprint)
    else { return "cnf does not name the certificate this connection was opened with" }
    verdict.isBound = true
    return nil
  }
}
