import Bytes
import Cryptography
import JSON

/// A key that a machine client shows instead of a token: `ghk_ID_SECRET`. The gateway keeps a salted hash of it.
///
/// The secret is 32 random bytes: nobody guesses one, however fast hashes are computed, so one SHA-256 is enough, where a
/// password would need a slow function. The salt keeps equal keys from being recognised as equal.
package struct APIKey: Sendable {
  package let id: [UInt8]
  package let salt: [UInt8]
  /// SHA-256 over the salt and the whole key's text, 32 bytes.
  package let hash: [UInt8]
  package let principal: Principal

  /// - Parameters:
  ///   - issuer: the provider's.
  ///   - claims: what rules and internal tokens find besides `iss` and `sub`.
  ///   - expiresAt: seconds since 1970, from which on the key is refused; nil for never.
  package init(
    id: [UInt8], salt: [UInt8], hash: [UInt8], issuer: [UInt8], subject: [UInt8], claims: [JSONMember], expiresAt: Int64?
  ) {
    self.id = id
    self.salt = salt
    self.hash = hash
    let all = JSONValue.object([JSONMember("iss", .string(issuer)), JSONMember("sub", .string(subject))] + claims)
    principal = Principal(
      issuer: issuer, subject: subject, claims: all, scopes: Principal.scopes(all), expiresAt: expiresAt ?? .max,
      keyThumbprint: [])
  }

  // MARK: The text

  package static let prefix = Array("ghk_".utf8)
  package static let idLengths = 8...32
  private static let secretBytes = 32

  /// Small letters, digits and `-`, 8 to 32 of them.
  package static func isID(_ id: some Collection<UInt8>) -> Bool {
    idLengths.contains(id.count) && id.allSatisfy { $0 &- 0x30 < 10 || $0 &- 0x61 < 26 || $0 == 0x2d }
  }

  /// Whether `text` is one of our keys, or would be: nobody else is to see it.
  package static func isMeant(by text: Span<UInt8>) -> Bool { text.starts(with: "ghk_") }

  /// The id in what is written like a key; nil for anything else.
  package static func id(of text: Span<UInt8>) -> [UInt8]? {
    let secret = Base64URL.encodedCount(secretBytes)
    guard text.count > prefix.count + 1 + secret, text.starts(with: "ghk_") else { return nil }
    let end = text.count - secret - 1
    let id = [UInt8](text.extracting(prefix.count..<end))
    guard text[end] == 0x5f, isID(id) else { return nil }
    guard Base64URL.decode(text.extracting((end + 1)...))?.count == secretBytes else { return nil }
    return id
  }

  /// A new key's text, its salt and its hash.
  package static func make(id: [UInt8]) -> (text: [UInt8], salt: [UInt8], hash: [UInt8]) {
    let text = prefix + id + [0x5f] + Base64URL.encode(random(secretBytes))
    let salt = random(16)
    return (text, salt, hash(text, salt: salt))
  }

  /// A new id: 12 letters and digits, 62 bits.
  package static func makeID() -> [UInt8] {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
    var generator = SystemRandomNumberGenerator()
    return (0..<12).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
  }

  private static func random(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  package static func hash(_ text: [UInt8], salt: [UInt8]) -> [UInt8] { Digest.sha256(salt + text) }
}
