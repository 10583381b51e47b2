import Bytes
import JSON

/// A JWS in compact serialization (RFC 7515 section 7.1), taken apart but not verified.
///
/// `jku`, `jwk`, `x5u` and `x5c` are not read: a key never comes from the token. `crit` is refused whatever it names, since no
/// extension is understood here, and with it `b64: false` (RFC 7797).
package struct CompactJWS: Sendable {
  package let header: JSONValue
  /// Nil when `alg` names an algorithm that is not ours, `none` among them.
  package let algorithm: JOSEAlgorithm?
  package let kid: [UInt8]?
  package let type: [UInt8]?
  package let payload: [UInt8]
  package let signature: [UInt8]
  /// How many bytes of the token, from its first, were signed.
  package let signedCount: Int

  /// - Throws: `.malformed`.
  package init(_ token: Span<UInt8>) throws(TokenDenial) {
    guard let parts = Self.split(token) else { throw .malformed }
    guard let headerBytes = Base64URL.decode(token.extracting(..<parts.first)),
      let payload = Base64URL.decode(token.extracting((parts.first + 1)..<parts.second)),
      let signature = Base64URL.decode(token.extracting((parts.second + 1)...)), !signature.isEmpty
    else { throw .malformed }
    guard let header = try? JSONParser.parse(headerBytes, limits: .token),
      case .string(let algorithm)? = header.member("alg"), header.member("crit") == nil
    else { throw .malformed }
    if let encoded = header.member("b64"), encoded != .boolean(true) { throw .malformed }
    self.header = header
    self.algorithm = JOSEAlgorithm(name: algorithm)
    kid = try Self.text(header, "kid")
    type = try Self.text(header, "typ")
    self.payload = payload
    self.signature = signature
    signedCount = parts.second
  }

  /// Where the two dots are; nil unless there are exactly two and something stands before the first.
  private static func split(_ token: Span<UInt8>) -> (first: Int, second: Int)? {
    var first: Int?
    var second: Int?
    for index in 0..<token.count where token[index] == UInt8(ascii: ".") {
      if first == nil { first = index } else if second == nil { second = index } else { return nil }
    }
    guard let first, let second, first > 0 else { return nil }
    return (first, second)
  }

  private static func text(_ header: JSONValue, _ name: StaticString) throws(TokenDenial) -> [UInt8]? {
    guard let value = header.member(name) else { return nil }
    guard case .string(let bytes) = value else { throw .malformed }
    return bytes
  }
}
