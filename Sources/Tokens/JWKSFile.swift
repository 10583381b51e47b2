import JSON

/// A public JWKS document (RFC 7517 section 5), for publishing the gateway's keys and for `gatehouse keys jwks`.
package enum JWKSFile {
  /// From PEM keys, private or public: only public halves are written.
  ///
  /// - Parameter keys: the PEM text, and the `kid` and `alg` to write. A missing `kid` is the key's thumbprint, a missing `alg`
  ///   what the kind of key is usually used with.
  package static func make(_ keys: [(pem: [UInt8], kid: String?, algorithm: JOSEAlgorithm?)]) throws(KeySetError) -> [UInt8] {
    var elements: [JSONValue] = []
    for key in keys {
      let pem = try PEMKey(key.pem)
      guard let algorithm = key.algorithm ?? pem.algorithms.first else { throw KeySetError("this kind of key is not supported") }
      guard pem.isFit(for: algorithm) else { throw KeySetError("the key does not fit \(algorithm.name)") }
      elements.append(try pem.publicJWK(kid: key.kid, algorithm: algorithm))
    }
    return document(elements)
  }

  static func document(_ keys: [JSONValue]) -> [UInt8] { JSONWriter.bytes(.object([JSONMember("keys", .array(keys))])) }
}

/// What the gateway publishes for its backends: the public halves of its keys, so that a next key is known before it signs
/// and a retired one until its last token has expired.
package struct PublishedKeySet: Sendable {
  package let json: [UInt8]

  package init(_ keys: SigningKeySet) { self.init(keys.keys) }

  package init(_ keys: [SigningKey]) { json = JWKSFile.document(keys.map(\.publicJWK)) }
}
