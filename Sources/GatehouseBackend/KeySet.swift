/// What is wrong with a key set, in words.
public struct KeySetError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// The gateway's public keys (RFC 7517 section 5).
public struct KeySet: Sendable {
  let keys: [VerificationKey]
  /// Keys of the document that cannot be used here, each with the reason.
  public let skipped: [String]

  public static let maximumBytes = 1 << 20
  public static let maximumKeys = 100

  /// The `kid` of each key that can be used.
  public var kids: [String] { keys.compactMap(\.kid) }

  /// Reads a JWKS of at most 1 MiB and 100 keys.
  ///
  /// A key that cannot be used is skipped. The whole set is refused when it publishes private or symmetric key material, when two
  /// keys have the same `kid`, or when no key can be used.
  public init(jwks: [UInt8]) throws(KeySetError) {
    guard jwks.count <= Self.maximumBytes else { throw KeySetError("the key set is larger than 1 MiB") }
    let document: JSONValue
    do throws(JSONFailure) {
      document = try JSONReader.read(jwks)
    } catch {
      throw KeySetError("the key set, byte \(error.position): \(error.reason)")
    }
    guard let elements = document["keys"]?.array else { throw KeySetError("the key set has no array \"keys\"") }
    guard elements.count <= Self.maximumKeys else { throw KeySetError("the key set has more than \(Self.maximumKeys) keys") }
    var keys: [VerificationKey] = []
    var skipped: [String] = []
    var kids: Set<[UInt8]> = []
    for (index, element) in elements.enumerated() {
      let name = "key \(index + 1)" + (element["kid"]?.string.map { " (kid \"\($0)\")" } ?? "")
      if let secret = Self.secretMembers.first(where: { element[$0] != nil }) {
        throw KeySetError("\(name) publishes secret key material (\(secret))")
      }
      // Also when one of the two cannot be used: which of them a token means would depend on the reader.
      if let kid = element["kid"]?.string, !kids.insert(Array(kid.utf8)).inserted {
        throw KeySetError("\(name) has the kid of a key before it")
      }
      do throws(KeySetError) {
        keys.append(try VerificationKey(jwk: element))
      } catch {
        skipped.append("\(name) \(error)")
      }
    }
    guard !keys.isEmpty else {
      throw KeySetError((["the key set has no usable key"] + skipped).joined(separator: "; "))
    }
    self.keys = keys
    self.skipped = skipped
  }

  /// RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2.
  private static let secretMembers = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"]

  /// The one key that a token's header selects: that of its `kid`, or, without one, the only key that fits `algorithm`. The key
  /// says which algorithm it is for, never the token.
  ///
  /// - Throws: `.unknownKey`, or `.algorithm` when the key of that name is for another one.
  func select(kid: String?, algorithm: SignatureAlgorithm) throws(InternalTokenError) -> VerificationKey {
    guard let kid else {
      let fitting = keys.filter { $0.algorithm == algorithm }
      guard fitting.count == 1 else { throw .unknownKey }
      return fitting[0]
    }
    guard let key = keys.first(where: { $0.kid?.isSame(as: kid) == true }) else { throw .unknownKey }
    guard key.algorithm == algorithm else { throw .algorithm }
    return key
  }
}
