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
  /// A key that cannot be used is skipped. The whole set is refused when it is no JWKS, when it
  /// publishes private or symmetric key material, or when no key is usable. A byte order mark before it says nothing (RFC 8259 section 8.1).
  ///
  /// - Parameter allowsSymmetric: takes `oct` keys and private members as well. For test vectors only: a published set that
  ///   holds a secret is a leaked secret, and with it anyone could sign.
  package static func parse(_ bytes: [UInt8], allowsSymmetric: Bool = false) throws(KeySetError) -> KeySet {
    let document: JSONValue
    do {
      document = try JSONParser.parse(document: bytes, limits: .keySet)
    } catch {
      throw KeySetError("the key set is no JSON: \(error)")
    }
    guard let elements = document.member("keys")?.elements else { throw KeySetError("the key set has no array \"keys\"") }
    guard elements.count <= maximumKeys else { throw KeySetError("the key set has more than \(maximumKeys) keys") }
    var keys: [VerificationKey] = []
    var skipped: [String] = []
    var secrets: Set<[UInt8]> = []
    for (index, element) in elements.enumerated() {
      let name = element.member("kid")?.text.map { "key \(index + 1) (kid \"\($0)\")" } ?? "key \(index + 1)"
      if !allowsSymmetric, let secret = secretMember(element) {
        throw KeySetError("\(name) publishes secret key material (\(secret))")
      }
      // Of secrets there is one for a name, also when one of the two cannot be used.
      if element.member("kty")?.text == "oct", case .string(let kid)? = element.member("kid"), !secrets.insert(kid).inserted {
        throw KeySetError("\(name) is a secret with the kid of another")
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

  /// The most keys that are tried for a token: what a bad token costs is bounded.
  package static let maximumTries = 4

  /// The keys that a token's header selects, in the set's order, and at most `maximumTries` of them: each is to be tried.
  ///
  /// With a `kid`, the keys of that name whose algorithms include `algorithm`: more than one may have it, above all where they are of
  /// different kinds (RFC 7517 section 4.5). Without (RFC 7515 section 4.1.4 makes it optional), all that fit `algorithm`.
  package func candidates(kid: [UInt8]?, algorithm: JOSEAlgorithm) throws(TokenDenial) -> [VerificationKey] {
    var found: [VerificationKey] = []
    var isNamed = false
    for key in keys where kid == nil || key.kid == kid {
      isNamed = true
      guard key.algorithms.contains(algorithm), !found.contains(where: { $0.thumbprint == key.thumbprint }) else { continue }
      found.append(key)
      if found.count == Self.maximumTries { break }
    }
    if found.isEmpty {
      if kid == nil { throw .keyUnknown }
      if isNamed { throw .algorithm }
      // A shared secret has no name, so a token may call it anything.
      guard let secret = secret(algorithm) else { throw .keyUnknown }
      return [secret]
    }
    return found
  }

  private func secret(_ algorithm: JOSEAlgorithm) -> VerificationKey? {
    guard algorithm.family == .hmac else { return nil }
    return keys.first { $0.kid == nil && $0.algorithms.contains(algorithm) }
  }

  /// Whether the set still holds `key`, under the same `kid` and for the same algorithms.
  package func holds(_ key: VerificationKey) -> Bool { keys.contains { $0 === key || $0.isSame(as: key) } }
}
