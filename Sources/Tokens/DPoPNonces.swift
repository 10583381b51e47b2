import Cryptography

/// Nonces for DPoP proofs (RFC 9449 section 8): a time and a MAC over it, so that none has to be remembered.
package final class DPoPNonces: Sendable {
  private let secret: [UInt8]
  /// Seconds after which another is given out; the one before is taken for as long again.
  private static let period: Int64 = 120
  private static let macCount = 16

  package static let process = DPoPNonces()

  package init() {
    var generator = SystemRandomNumberGenerator()
    secret = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  /// The nonce to be used from now on, in base64url.
  package func current(now: Int64) -> [UInt8] { make(now / Self.period) }

  package func accepts(_ nonce: [UInt8], now: Int64) -> Bool {
    let slot = now / Self.period
    return ConstantTime.equal(nonce, make(slot)) || ConstantTime.equal(nonce, make(slot - 1))
  }

  private func make(_ slot: Int64) -> [UInt8] {
    let time = (0..<8).map { UInt8(truncatingIfNeeded: slot >> (56 - 8 * $0)) }
    guard let mac = MessageAuthentication.code(.sha256, key: secret, time.span) else { preconditionFailure("HMAC is missing from OpenSSL") }
    return Base64URL.encode(time + mac.prefix(Self.macCount))
  }
}
