import CJWT

/// libjwt, off the request path: it issues development tokens and is the second, independent opinion on signing keys.
enum LibJWT {
  /// Version 1 knows ES*, RS* and HS*; not PS* and not EdDSA.
  static func algorithm(_ algorithm: JOSEAlgorithm) -> jwt_alg_t? {
    switch algorithm {
    case .es256: JWT_ALG_ES256
    case .es384: JWT_ALG_ES384
    case .es512: JWT_ALG_ES512
    case .rs256: JWT_ALG_RS256
    case .rs384: JWT_ALG_RS384
    case .rs512: JWT_ALG_RS512
    case .hs256: JWT_ALG_HS256
    case .hs384: JWT_ALG_HS384
    case .hs512: JWT_ALG_HS512
    case .ps256, .ps384, .ps512, .edDSA: nil
    }
  }

  /// Whether libjwt accepts `token` as signed with `algorithm` by the key of `publicPEM`. libjwt takes the algorithm from the
  /// token, even HS256 with a public key's text: so it is compared here.
  static func accepts(_ token: [UInt8], publicPEM: [UInt8], algorithm: JOSEAlgorithm) -> Bool {
    guard let expected = Self.algorithm(algorithm) else { return false }
    var decoded: OpaquePointer?
    let text = token.map { CChar(bitPattern: $0) } + [0]
    guard jwt_decode(&decoded, text, publicPEM, Int32(clamping: publicPEM.count)) == 0, let decoded else { return false }
    defer { jwt_free(decoded) }
    return jwt_get_alg(decoded) == expected
  }
}
