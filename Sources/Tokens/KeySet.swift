import JSON

/// A provider's public keys (RFC 7517 section 5), parsed once and shared by every worker.
package final class KeySet: Sendable {
  package let keys: [VerificationKey]
  /// Keys of the document that cannot be used here, each with the reason: keys for encryption, unknown kinds, weak keys.
  package let skipped: [String]

  package static let maximumBytes = 1 << 20
  package static let maximumKeys = 100

  private init(keys: [VerificationKey], skipped: [String]) {
    self.keys = keys
    self.skipped = skipped
  }

  /// The keys of `published`, and the shared secret of a provider that signs with HS*: one key for each algorithm of that
  /// family, without `kid`.
  package convenience init(
    published: KeySet? = nil, secret: [UInt8], algorithms: [JOSEAlgorithm]
  ) throws(KeySetError) {
    var keys = published?.keys ?? []
    for algorithm in algorithms where algorithm.family == .hmac {
      keys.append(try VerificationKey(secret: secret, algorithm: algorithm))
    }
    self.init(keys: keys, skipped: published?.skipped ?? [])
  }

  /// The keys that the provider publishes, without a secret that is shared with it; nil when there are none.
  package var published: KeySet? {
    let published = keys.filter { $0.algorithms.isDisjoint(with: .hmac) }
    if published.count == keys.count { return self }
    return published.isEmpty ? nil : KeySet(keys: published, skipped: skipped)
  }

  /// Reads a JWKS of at most 1 MiB and 100 keys.
  ///
  /// A key that cannot be used is skipped. The whole set is refused when it is no JWKS, when it publishes private or symmetric
  /// key material, when two keys have the same `kid`, or when no key is usable.
  ///
  /// - Parameter allowsSymmetric: takes `oct` keys and private members as well. For test vectors only: a published set that
  ///   holds a secret is a leaked secret, and with it anyone could sign.
  package static func parse(_ bytes: [UInt8], allowsSymmetric: Bool = false) throws(KeySetError) -> KeySet {
    let document: JSONValue
    do {
      document = try JSONParser.parse(bytes, limits: .keySet)
    } catch {
      throw KeySetError("the key set is no JSON: \(error)")
    }
    guard let elements = document.member("keys")?.elements else { throw KeySetError("the key set has no array \"keys\"") }
    guard elements.count <= maximumKeys else { throw KeySetError("the key set has more than \(maximumKeys) keys") }
    var keys: [VerificationKey] = []
    var skipped: [String] = []
    var kids: Set<[UInt8]> = []
    for (index, element) in elements.enumerated() {
      let name = element.member("kid")?.text.map { "key \(index + 1) (kid \"\($0)\")" } ?? "key \(index + 1)"
      if !allowsSymmetric, let secret = secretMember(element) {
        throw KeySetError("\(name) publishes secret key material (\(secret))")
      }
      // Also when one of the two cannot be used: which one a token means would depend on the reader.
      if case .string(let kid)? = element.member("kid"), !kids.insert(kid).inserted {
        throw KeySetError("\(name) has the kid of a key before it")
      }
      let key: VerificationKey
      do throws(KeySetError) {
        key = try VerificationKey.parse(element, allowsSymmetric: allowsSymmetric)
      } catch {
        skipped.append("\(name) \(error)")
        continue
      }
      keys.append(key)
    }
    guard !keys.isEmpty else {
      throw KeySetError((["the key set has no usable key"] + skipped).joined(separator: "; "))
    }
    return KeySet(keys: keys, skipped: skipped)
  }

  /// RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2.
  private static func secretMember(_ jwk: JSONValue) -> String? {
    ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].first { jwk.member($0) != nil }
  }

  /// The one key that a token's header selects.
  ///
  /// With a `kid`, the key of that name, whose algorithms must include `algorithm`. Without (RFC 7515 section 4.1.4 makes it
  /// optional), the only key that fits `algorithm`: where several fit, trying them all would multiply what a bad token costs.
  package func select(kid: [UInt8]?, algorithm: JOSEAlgorithm) throws(TokenDenial) -> VerificationKey {
    guard let kid else {
      var only: VerificationKey?
      for key in keys where key.algorithms.contains(algorithm) {
        guard only == nil else { throw .keyUnknown }
        only = key
      }
      guard let only else { throw .keyUnknown }
      return only
    }
    // A shared secret has no name, so a token may call it anything.
    guard let key = keys.first(where: { $0.kid == kid }) ?? secret(algorithm) else { throw .keyUnknown }
    guard key.algorithms.contains(algorithm) else { throw .algorithm }
    return key
  }

  private func secret(_ algorithm: JOSEAlgorithm) -> VerificationKey? {
    guard algorithm.family == .hmac else { return nil }
    return keys.first { $0.kid == nil && $0.algorithms.contains(algorithm) }
  }

  /// Whether the set still holds `key`, under the same `kid` and for the same algorithms.
  package func holds(_ key: VerificationKey) -> Bool { keys.contains { $0 === key || $0.isSame(as: key) } }
}
