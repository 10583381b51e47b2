import Bytes
import Cryptography
import HTTP
import Tokens

/// Whether whoever sent the token is the one it was made for: by the connection's client certificate (RFC 8705), by a proof with
/// each request (RFC 9449).
extension Exchange {
  /// Nil when what the token and its provider ask for was shown.
  ///
  /// - Parameter range: where the token stands.
  func checkPossession(_ verified: VerifiedToken, _ range: ByteRange, now: Int64) -> GatewayError? {
    let provider = worker.verifier.providers[verified.provider]
    let rules = provider.proof
    let confirmation = verified.principal.confirmation
    if let expected = confirmation?.certificate {
      guard let shown = client?.connection.wire.peerIdentity?.thumbprint, ConstantTime.equal(shown, expected) else { return .tokenBinding }
    } else if rules.certificate == .required {
      return .tokenBinding
    }
    let isDPoP = hasDPoPScheme(range)
    guard let key = confirmation?.key else {
      // A token that is bound to no key proves nothing by being called DPoP.
      return isDPoP || rules.dpop == .required ? .tokenBinding : nil
    }
    // Never as Bearer: whoever stole it could send it so (RFC 9449 section 7.2).
    guard rules.dpop != nil, isDPoP else { return .tokenBinding }
    return checkProof(key, verified.principal, slice(range), provider, now: now)
  }

  private func checkProof(
    _ key: [UInt8], _ principal: Principal, _ token: UnsafeBufferPointer<UInt8>, _ provider: IdentityProvider, now: Int64
  ) -> GatewayError? {
    var proof: UnsafeBufferPointer<UInt8>?
    for index in 0..<head.fields.count {
      let field = head.fields[index]
      guard ASCII.equalIgnoringCase(slice(field.name), "dpop") else { continue }
      if proof != nil { return .proofInvalid }
      proof = slice(field.value)
    }
    guard let proof else { return .proofMissing }
    // The request is looked at a second time, after a reload.
    if proofIsSpent { return nil }
    let request = DPoPRequest(
      method: Array(slice(head.methodRange)), isEncrypted: client?.connection.wire.isEncrypted ?? true,
      authority: Array(slice(head.authority)), path: Array(slice(head.path)), canonicalPath: Array(path))
    do throws(TokenDenial) {
      try worker.proofs.check(
        proof.span, of: key, principal, for: token.span, request, provider.proof, leeway: min(provider.leeway, 30), now: now)
      proofIsSpent = true
      return nil
    } catch {
      return GatewayError(error)
    }
  }

  private func hasDPoPScheme(_ token: ByteRange) -> Bool {
    guard let index = head.fields.first(.authorization) else { return false }
    let value = head.fields[index].value
    guard token.start >= value.start, token.end <= value.end, value.length > 4 else { return false }
    return ASCII.equalIgnoringCase(slice(ByteRange(offset: value.start, count: 4)), "dpop")
  }
}
