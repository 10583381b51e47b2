import Cryptography
import JSON

/// Access tokens for development and demonstrations, issued with libjwt.
package enum DevelopmentToken {
  /// - Parameters:
  ///   - claims: a JSON object, written as it is.
  ///   - pem: the private key.
  /// - Throws: for algorithms that libjwt 1 lacks, keys that do not fit, and claims that are no object.
  package static func issue(
    claims: JSONValue, algorithm: JOSEAlgorithm, pem: [UInt8], kid: String?, type: String = "at+jwt"
  ) throws(KeySetError) -> [UInt8] {
    guard algorithm.family != .hmac else {
      throw KeySetError("development tokens are signed with a private key, not with a secret")
    }
    guard let name = algorithm.libjwt else {
      throw KeySetError("libjwt 1 cannot sign with \(algorithm.name); use ES256, ES384, ES512, RS256, RS384 or RS512")
    }
    guard claims.members != nil else { throw KeySetError("the claims must be a JSON object") }
    guard try PEMKey(privateKey: pem).isFit(for: algorithm) else { throw KeySetError("the key does not fit \(algorithm.name)") }
    let text = String(decoding: JSONWriter.bytes(claims), as: UTF8.self)
    guard let token = LibJWT.issue(claims: text, algorithm: name, pem: pem, kid: kid, type: type) else {
      throw KeySetError("libjwt could not make the token")
    }
    return token
  }
}
