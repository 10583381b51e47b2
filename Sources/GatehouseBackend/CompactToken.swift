/// A JWS in compact serialization (RFC 7515 section 7.1), taken apart and not yet believed.
///
/// `jku`, `jwk`, `x5u` and `x5c` are not looked at: a key never comes from the token (RFC 8725 section 3.10). No extension is
/// understood, so `crit` is refused whatever it names, and with it payloads that are not encoded (RFC 7797).
package struct CompactToken {
  package let algorithm: String
  package let kid: String?
  package let type: String?
  package let payload: [UInt8]
  package let signature: [UInt8]
  /// What the signature is over.
  package let signed: ArraySlice<UInt8>

  /// - Throws: `.malformed`.
  package init(_ token: [UInt8]) throws(InternalTokenError) {
    let parts = token.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .malformed("not three parts") }
    guard let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
      let signature = Base64URL.decode(parts[2])
    else { throw .malformed("a part is not base64url") }
    guard !signature.isEmpty else { throw .malformed("no signature") }
    let members = try Self.object(header, "header")
    guard members["crit"] == nil else { throw .malformed("crit names extensions") }
    if let encoded = members["b64"], encoded != .boolean(true) { throw .malformed("the payload is not encoded") }
    guard let algorithm = members["alg"]?.string else { throw .malformed("no alg") }
    self.algorithm = algorithm
    kid = try Self.text(members, "kid")
    type = try Self.text(members, "typ")
    self.payload = payload
    self.signature = signature
    signed = token[..<parts[1].endIndex]
  }

  /// The claims set (RFC 7519 section 7.2). To be read once the signature is known to hold.
  ///
  /// - Throws: `.malformed`.
  func claims() throws(InternalTokenError) -> JSONValue { try Self.object(payload, "claims") }

  private static func object(_ bytes: [UInt8], _ name: String) throws(InternalTokenError) -> JSONValue {
    let value: JSONValue
    do throws(JSONFailure) {
      value = try JSONReader.read(bytes)
    } catch {
      throw .malformed("\(name), byte \(error.position): \(error.reason)")
    }
    guard value.object != nil else { throw .malformed("\(name): no JSON object") }
    return value
  }

  private static func text(_ header: JSONValue, _ name: String) throws(InternalTokenError) -> String? {
    guard let value = header[name] else { return nil }
    guard let text = value.string else { throw .malformed("\(name) is no text") }
    return text
  }
}
