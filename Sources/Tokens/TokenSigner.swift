import Cryptography

/// Signs internal tokens, on one worker. Holds what can be used again from one signature to the next.
package final class TokenSigner {
  private let signer = Signer()

  package init() {}

  /// Drops what is held for keys: after a rotation, or an old private key would stay in memory.
  package func forgetKeys() { signer.forgetKeys() }

  /// The signature of `message`: r and s for ES256. Nil when OpenSSL fails.
  package func sign(_ message: Span<UInt8>, with key: SigningKey) -> InlineArray<64, UInt8>? {
    signer.sign(message, with: key.privateKey)
  }
}
