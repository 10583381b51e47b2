import Cryptography
import JSON

/// Proves, at start and at each reload, that backends will accept what the gateway signs.
///
/// Every key, also the ones that do not sign yet, signs a probe; the gateway's own verifier and libjwt, an implementation that
/// shares no code with it, must both accept it with the public key as it is **published**. A key that fails is refused, before
/// any backend sees its tokens. EdDSA is unknown to libjwt 1 and is checked by OpenSSL alone.
package enum KeyCrossCheck {
  /// - Throws: which key failed, and by whom.
  package static func run(_ keys: SigningKeySet, published: PublishedKeySet) throws(KeySetError) {
    let document: JSONValue
    do {
      document = try JSONParser.parse(published.json, limits: .keySet)
    } catch {
      throw KeySetError("the published key set is no JSON: \(error)")
    }
    let elements = document.member("keys")?.elements ?? []
    for key in keys.keys {
      let name = JSONValue(text: key.kid)
      guard let jwk = elements.first(where: { $0.member("kid") == name }) else {
        throw KeySetError("the signing key \"\(key.kid)\" is not in the published key set")
      }
      try check(key, VerificationKey.parse(jwk))
    }
  }

  private static func check(_ key: SigningKey, _ published: VerificationKey) throws(KeySetError) {
    let probe = try makeProbe(key)
    let jws: CompactJWS
    do { jws = try CompactJWS(probe.span) } catch {
      throw KeySetError("the signing key \"\(key.kid)\" makes tokens that cannot be read")
    }
    let signature = jws.signature
    let accepted = SignatureVerifier().isValid(
      signature.span, over: probe.span.extracting(..<jws.signedCount), by: published, algorithm: key.algorithm)
    guard accepted else {
      throw KeySetError("the published key set does not verify what the signing key \"\(key.kid)\" signs (OpenSSL)")
    }
    guard let algorithm = key.algorithm.libjwt else { return }
    guard case .publicKey(let publicKey) = published.material, let pem = publicKey.publicPEM() else {
      throw KeySetError("the published key is no public key")
    }
    guard LibJWT.accepts(probe, publicPEM: pem, algorithm: algorithm) else {
      throw KeySetError("the published key set does not verify what the signing key \"\(key.kid)\" signs (libjwt)")
    }
  }

  private static func makeProbe(_ key: SigningKey) throws(KeySetError) -> [UInt8] {
    // Without `typ`: libjwt 1 refuses every other than JWT.
    let header = JSONValue.object([
      JSONMember("alg", JSONValue(text: "\(key.algorithm.name)")), JSONMember("kid", JSONValue(text: key.kid)),
    ])
    var token = Base64URL.encode(JSONWriter.bytes(header)) + [UInt8(ascii: ".")]
    Base64URL.append(Array(#"{"sub":"probe"}"#.utf8), to: &token)
    guard let signature = key.sign(token.span) else {
      throw KeySetError("the signing key \"\(key.kid)\" does not sign: \(OpenSSLError.take())")
    }
    token.append(UInt8(ascii: "."))
    Base64URL.append(signature.span, to: &token)
    return token
  }
}
