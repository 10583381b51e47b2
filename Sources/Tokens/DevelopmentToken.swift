import CJWT
import Glibc
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
    guard let name = LibJWT.algorithm(algorithm) else {
      throw KeySetError("libjwt 1 cannot sign with \(algorithm.name); use ES256, ES384, ES512, RS256, RS384 or RS512")
    }
    guard claims.members != nil else { throw KeySetError("the claims must be a JSON object") }
    guard try PEMKey(privateKey: pem).isFit(for: algorithm) else { throw KeySetError("the key does not fit \(algorithm.name)") }
    var token: OpaquePointer?
    guard jwt_new(&token) == 0, let token else { throw KeySetError("out of memory") }
    defer { jwt_free(token) }
    guard jwt_set_alg(token, name, pem, Int32(clamping: pem.count)) == 0,
      jwt_add_header(token, "typ", type) == 0,
      kid == nil || jwt_add_header(token, "kid", kid) == 0,
      jwt_add_grants_json(token, String(decoding: JSONWriter.bytes(claims), as: UTF8.self)) == 0,
      let encoded = jwt_encode_str(token)
    else { throw KeySetError("libjwt could not make the token") }
    defer { free(encoded) }
    return Array(String(cString: encoded).utf8)
  }
}
