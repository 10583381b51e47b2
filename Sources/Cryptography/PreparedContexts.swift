import COpenSSL

/// What can be used again from one signature to the next, on one thread: a digest context, and a ready `EVP_PKEY_CTX` for each key and
/// scheme. Without them OpenSSL 3 looks the implementation up by name for each signature, which takes microseconds.
@safe final class PreparedContexts {
  // All of these are this object's own. Each is freed once: by `forgetKeys`, or when the object goes.
  /// For one digest after the other. Whoever has given it a key resets it: on a key's context a digest of its own could never again
  /// be begun.
  let digest: OpaquePointer
  private var contexts: [Use: OpaquePointer] = unsafe [:]
  /// Keeps the keys alive whose addresses `contexts` is keyed by.
  private var keys: [AsymmetricKey] = []

  private struct Use: Hashable {
    var key: ObjectIdentifier
    var scheme: SignatureScheme
  }

  init() {
    guard let context = unsafe EVP_MD_CTX_new() else { preconditionFailure("out of memory") }
    unsafe digest = context
  }

  deinit {
    forgetKeys()
    unsafe EVP_MD_CTX_free(digest)
  }

  func forgetKeys() {
    unsafe contexts.values.forEach { unsafe EVP_PKEY_CTX_free($0) }
    unsafe contexts = [:]
    keys = []
  }

  /// The context of `key` for `scheme`, good until `forgetKeys`. Nil when OpenSSL makes none.
  ///
  /// - Parameter prepare: readies a new one; false when it cannot be.
  @unsafe func context(_ key: AsymmetricKey, _ scheme: SignatureScheme, prepare: (OpaquePointer) -> Bool) -> OpaquePointer? {
    let use = Use(key: ObjectIdentifier(key), scheme: scheme)
    if let context = unsafe contexts[use] { return unsafe context }
    // The key is held; the context is ours.
    guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else { return nil }
    guard unsafe prepare(context) else {
      unsafe EVP_PKEY_CTX_free(context)
      return nil
    }
    unsafe contexts[use] = context
    keys.append(key)
    return unsafe context
  }
}
