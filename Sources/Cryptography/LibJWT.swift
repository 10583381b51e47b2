import CJWT
import Glibc

/// libjwt, off the request path: it issues development tokens and is the second, independent opinion on signing keys.
package enum LibJWT {
  /// Version 1 knows ES*, RS* and HS*; not PS* and not EdDSA.
  package enum Algorithm: Sendable {
    case es256, es384, es512, rs256, rs384, rs512, hs256, hs384, hs512

    fileprivate var value: jwt_alg_t {
      switch self {
      case .es256: JWT_ALG_ES256
      case .es384: JWT_ALG_ES384
      case .es512: JWT_ALG_ES512
      case .rs256: JWT_ALG_RS256
      case .rs384: JWT_ALG_RS384
      case .rs512: JWT_ALG_RS512
      case .hs256: JWT_ALG_HS256
      case .hs384: JWT_ALG_HS384
      case .hs512: JWT_ALG_HS512
      }
    }
  }

  /// Whether libjwt accepts `token` as signed with `algorithm` by the key of `publicPEM`. libjwt takes the algorithm from the
  /// token, even HS256 with a public key's text: so it is compared here.
  package static func accepts(_ token: [UInt8], publicPEM: [UInt8], algorithm: Algorithm) -> Bool {
    var decoded: OpaquePointer?
    let text = token.map { CChar(bitPattern: $0) } + [0]
    // The text ends with a zero byte, and the key has as many bytes as libjwt is told. What it made is freed once.
    guard unsafe jwt_decode(&decoded, text, publicPEM, Int32(clamping: publicPEM.count)) == 0, let decoded = unsafe decoded else {
      return false
    }
    defer { unsafe jwt_free(decoded) }
    return unsafe jwt_get_alg(decoded) == algorithm.value
  }

  /// A token of these claims, signed with the private key of `pem`; nil when libjwt cannot make it.
  ///
  /// - Parameter claims: a JSON object.
  package static func issue(claims: String, algorithm: Algorithm, pem: [UInt8], kid: String?, type: String) -> [UInt8]? {
    var token: OpaquePointer?
    // The token is ours and freed once, as is the text that it is written as, which ends with a zero byte. libjwt copies what it
    // is given.
    guard unsafe jwt_new(&token) == 0, let token = unsafe token else { return nil }
    defer { unsafe jwt_free(token) }
    guard unsafe jwt_set_alg(token, algorithm.value, pem, Int32(clamping: pem.count)) == 0,
      unsafe jwt_add_header(token, "typ", type) == 0,
      unsafe kid == nil || jwt_add_header(token, "kid", kid) == 0,
      unsafe jwt_add_grants_json(token, claims) == 0,
      let encoded = unsafe jwt_encode_str(token)
    else { return nil }
    defer { unsafe free(encoded) }
    return unsafe Array(String(cString: encoded).utf8)
  }
}
