import Cryptography
import JSON

/// The request that a DPoP proof was made for (RFC 9449 section 4.2), as the gateway got it.
package struct DPoPRequest {
  package var method: [UInt8]
  package var isEncrypted: Bool
  /// As in `Host` or `:authority`.
  package var authority: [UInt8]
  /// As sent, and in its canonical form: a client may have signed either.
  package var path: [UInt8]
  package var canonicalPath: [UInt8]

  package init(method: [UInt8], isEncrypted: Bool, authority: [UInt8], path: [UInt8], canonicalPath: [UInt8]) {
    self.method = method
    self.isEncrypted = isEncrypted
    self.authority = authority
    self.path = path
    self.canonicalPath = canonicalPath
  }

  /// Whether `url`, a proof's `htu`, is this request's URL without query and fragment: after syntax-based and scheme-based
  /// normalisation (RFC 3986 section 6.2.2 and 6.2.3).
  func isAt(_ url: [UInt8]) -> Bool {
    let scheme = Array((isEncrypted ? "https://" : "http://").utf8)
    let prefix = url.prefix(scheme.count).map(Self.lower)
    guard prefix == scheme else { return false }
    let rest = url.dropFirst(scheme.count).prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
    guard normalized(rest[..<slash]) == normalized(authority[...]) else { return false }
    let theirs = slash == rest.endIndex ? [UInt8(ascii: "/")] : Array(rest[slash...])
    return theirs == path || theirs == canonicalPath
  }

  private func normalized(_ authority: ArraySlice<UInt8>) -> [UInt8] {
    let lower = authority.map(Self.lower)
    let port = Array((isEncrypted ? ":443" : ":80").utf8)
    return lower.suffix(port.count) == port[...] ? Array(lower.dropLast(port.count)) : lower
  }

  private static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

/// Checks proofs that a request's sender holds the key that its access token is bound to (RFC 9449 section 4.3). On one worker.
package final class DPoPProof {
  private let signatures = SignatureVerifier()
  private let replays: ReplayCache
  private let nonces: DPoPNonces

  /// Bytes of a proof, and of its `jti`.
  private static let maximumCount = 4096
  private static let maximumID = 256
  /// Every asymmetric algorithm there is here: the key is the client's own choice.
  package static let algorithms: [JOSEAlgorithm] = [.es256, .es384, .es512, .rs256, .ps256, .edDSA]

  package init(replays: ReplayCache = .process, nonces: DPoPNonces = .process) {
    self.replays = replays
    self.nonces = nonces
  }

  /// - Parameters:
  ///   - proof: the value of the request's one `DPoP` field.
  ///   - key: the thumbprint that the access token is bound to.
  ///   - principal: whom the access token speaks for; all keys of one subject together have a share of what is remembered.
  ///   - token: the access token, as sent.
  ///   - now: seconds since 1970.
  /// - Throws: `.proofInvalid`, `.proofNonce`, `.proofReplayed`, `.proofRate`.
  package func check(
    _ proof: Span<UInt8>, of key: [UInt8], _ principal: Principal, for token: Span<UInt8>, _ request: DPoPRequest,
    _ rules: ProofRules, leeway: Int64, now: Int64
  ) throws(TokenDenial) {
    guard proof.count <= Self.maximumCount else { throw .proofInvalid }
    let claims: JSONValue
    do throws(TokenDenial) {
      claims = try verified(proof, key)
    } catch {
      throw .proofInvalid
    }
    guard case .string(let method)? = claims.member("htm"), method == request.method,
      case .string(let url)? = claims.member("htu"), request.isAt(url),
      case .string(let hash)? = claims.member("ath"), ConstantTime.equal(hash, Base64URL.encode(Digest.sha256(token))),
      case .string(let id)? = claims.member("jti"), !id.isEmpty, id.count <= Self.maximumID,
      let issued = claims.member("iat")?.flooredInteger
    else { throw .proofInvalid }
    if rules.needsNonce {
      guard case .string(let nonce)? = claims.member("nonce"), nonces.accepts(nonce, now: now) else { throw .proofNonce }
    }
    guard issued <= now + leeway, issued > now - rules.lifetime - leeway else { throw .proofInvalid }
    // Last, so that only those who hold the key take room in the cache.
    let subject = Digest.sha256(principal.issuer) + principal.subject
    switch replays.insert(id, of: key, in: subject, now: now, lifetime: rules.lifetime + 2 * leeway) {
    case .accepted: break
    case .seen: throw .proofReplayed
    case .full: throw .proofRate
    }
  }

  /// The proof's claims, once its signature by the key that it names has been checked, and that key is the token's.
  private func verified(_ proof: Span<UInt8>, _ thumbprint: [UInt8]) throws(TokenDenial) -> JSONValue {
    let jws = try CompactJWS(proof)
    guard jws.type.map({ $0.elementsEqual("dpop+jwt".utf8) }) == true, let algorithm = jws.algorithm,
      Self.algorithms.contains(algorithm), let jwk = jws.header.member("jwk"),
      // A private key in a proof is a key that everybody on the way has.
      ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].allSatisfy({ (name: StaticString) in jwk.member(name) == nil }),
      let key = try? VerificationKey.parse(jwk), ConstantTime.equal(key.thumbprint, thumbprint),
      let claims = try? JSONParser.parse(jws.payload, limits: .token), claims.members != nil
    else { throw .proofInvalid }
    let message = proof.extracting(..<jws.signedCount)
    let signature = jws.signature
    let isValid = signatures.isValid(signature.span, over: message, by: key, algorithm: algorithm)
    // Each client has a key of its own: what was prepared for this one is of no use to the next.
    signatures.forgetKeys()
    guard isValid else { throw .proofInvalid }
    return claims
  }
}
