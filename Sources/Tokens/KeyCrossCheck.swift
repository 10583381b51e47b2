import COpenSSL
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
    do { jws = try probe.withUnsafeBufferPointer { bytes throws(TokenDenial) in try CompactJWS(bytes) } } catch {
      throw KeySetError("the signing key \"\(key.kid)\" makes tokens that cannot be read")
    }
    let verifier = SignatureVerifier()
    let accepted = probe.withUnsafeBufferPointer { token in
      jws.signature.withUnsafeBufferPointer { signature in
        verifier.isValid(
          signature, over: UnsafeBufferPointer(rebasing: token[..<jws.signedCount]), by: published, algorithm: key.algorithm)
      }
    }
    guard accepted else {
      throw KeySetError("the published key set does not verify what the signing key \"\(key.kid)\" signs (OpenSSL)")
    }
    guard LibJWT.algorithm(key.algorithm) != nil else { return }
    guard case .publicKey(let pointer) = published.material else { throw KeySetError("the published key is no public key") }
    let pem = try PEMKey.write { PEM_write_bio_PUBKEY($0, pointer) }
    guard LibJWT.accepts(probe, publicPEM: pem, algorithm: key.algorithm) else {
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
    var signature = [UInt8](repeating: 0, count: SigningKey.signatureCount)
    let signed = token.withUnsafeBufferPointer { message in
      signature.withUnsafeMutableBufferPointer { key.sign(message, into: $0) }
    }
    guard signed else { throw KeySetError("the signing key \"\(key.kid)\" does not sign: \(takeOpenSSLError())") }
    token.append(UInt8(ascii: "."))
    Base64URL.append(signature, to: &token)
    return token
  }
}
