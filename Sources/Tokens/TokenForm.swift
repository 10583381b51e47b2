import Bytes
import JSON

/// How a token is written, by which it is clear who decides about it.
enum TokenForm: Equatable {
  case opaque
  /// Like a JWT, but it cannot be read strictly: with `crit`, with a member that stands twice, with a `kid` that is no text.
  case unreadable
  /// Nil without an `iss` that is a text.
  case jwt(issuer: [UInt8]?)

  init(_ token: Span<UInt8>) {
    guard Self.isLikeJWT(token) else {
      self = .opaque
      return
    }
    guard let jws = try? CompactJWS(token), let claims = try? AccessTokenVerifier.claims(jws) else {
      self = .unreadable
      return
    }
    if case .string(let issuer)? = claims.member("iss") { self = .jwt(issuer: issuer) } else { self = .jwt(issuer: nil) }
  }

  /// Three parts, of which the first is an object's beginning in base64url, whatever follows. All that can be read as a JWT is.
  private static func isLikeJWT(_ token: Span<UInt8>) -> Bool {
    var dots = 0
    var first = token.count
    for index in 0..<token.count where token[index] == UInt8(ascii: ".") {
      if dots == 0 { first = index }
      dots += 1
    }
    guard dots == 2 else { return false }
    if token.starts(with: "eyJ") { return true }
    var end = 0
    while end < first, isBase64URL(token[end]) { end += 1 }
    // Whole groups of four characters: padding or whatever else stands at the end is left out.
    guard let decoded = Base64URL.decode(token.extracting(..<(end & ~3))) else { return false }
    return decoded.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0a && $0 != 0x0d } == UInt8(ascii: "{")
  }

  private static func isBase64URL(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
  }

  /// Bytes beyond the value itself.
  var footprint: Int { if case .jwt(let issuer?) = self { Footprint.of(issuer) } else { 0 } }
}
