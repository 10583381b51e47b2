import Cryptography
import JSON

/// A key out of a PEM file, private or public.
package final class PEMKey {
  let key: AsymmetricKey
  package var isPrivate: Bool { key.isPrivate }

  /// - Throws: when `pem` holds no private key, or an encrypted one: no passphrase is ever asked for.
  package init(privateKey pem: [UInt8]) throws(KeySetError) {
    guard let key = AsymmetricKey(privatePEM: pem) else {
      throw KeySetError("no unencrypted private key in PEM: \(OpenSSLError.take())")
    }
    self.key = key
  }

  /// Takes a private or a public key.
  package init(_ pem: [UInt8]) throws(KeySetError) {
    guard let key = AsymmetricKey(privatePEM: pem) ?? AsymmetricKey(publicPEM: pem) else {
      throw KeySetError("no key in PEM: \(OpenSSLError.take())")
    }
    self.key = key
  }

  /// The algorithms that a key of this kind signs with; the first is the usual one.
  package var algorithms: [JOSEAlgorithm] {
    JOSEAlgorithm.allCases.filter { isFit(for: $0) }
  }

  package func isFit(for algorithm: JOSEAlgorithm) -> Bool {
    switch algorithm {
    case .es256: key.kind == .p256
    case .es384: key.kind == .p384
    case .es512: key.kind == .p521
    case .edDSA: key.kind == .ed25519
    case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: key.kind == .rsa
    case .hs256, .hs384, .hs512: false
    }
  }

  /// The public half as a JWK with `use: sig`. `kid` defaults to the thumbprint (RFC 7638), `algorithm` is left out when nil.
  package func publicJWK(kid: String? = nil, algorithm: JOSEAlgorithm? = nil) throws(KeySetError) -> JSONValue {
    var members: [JSONMember] = []
    switch key.kind {
    case .p256: members += try curveMembers("P-256", width: 32)
    case .p384: members += try curveMembers("P-384", width: 48)
    case .p521: members += try curveMembers("P-521", width: 66)
    case .otherCurve(let name): throw KeySetError("the curve \(name) is not supported")
    case .rsa:
      members.append(JSONMember("kty", "RSA"))
      members.append(JSONMember("n", .string(Base64URL.encode(try number("n")))))
      members.append(JSONMember("e", .string(Base64URL.encode(try number("e")))))
    case .ed25519:
      guard let raw = key.rawPublicKey() else { throw KeySetError("OpenSSL gives no public key: \(OpenSSLError.take())") }
      members.append(JSONMember("kty", "OKP"))
      members.append(JSONMember("crv", "Ed25519"))
      members.append(JSONMember("x", .string(Base64URL.encode(raw))))
    case .other: throw KeySetError("only EC, RSA and Ed25519 keys are supported")
    }
    if let algorithm { members.append(JSONMember("alg", JSONValue(text: "\(algorithm.name)"))) }
    let verification = try VerificationKey.parse(.object(members))
    let name = kid.map { Array($0.utf8) } ?? Base64URL.encode(verification.thumbprint)
    members.insert(JSONMember(name: Array("kid".utf8), value: .string(name)), at: 1)
    members.append(JSONMember("use", "sig"))
    return .object(members)
  }

  private func curveMembers(_ curve: String, width: Int) throws(KeySetError) -> [JSONMember] {
    [
      JSONMember("kty", "EC"), JSONMember("crv", JSONValue(text: curve)),
      JSONMember("x", .string(Base64URL.encode(try number("qx", width: width)))),
      JSONMember("y", .string(Base64URL.encode(try number("qy", width: width)))),
    ]
  }

  /// A number of the key, big-endian, at `width` bytes or as short as it is.
  private func number(_ name: String, width: Int? = nil) throws(KeySetError) -> [UInt8] {
    guard let bytes = key.number(name, width: width) else { throw KeySetError("OpenSSL gives no \(name): \(OpenSSLError.take())") }
    return bytes
  }

  /// The public half in PEM, as libjwt takes it.
  package func publicPEM() throws(KeySetError) -> [UInt8] {
    guard let pem = key.publicPEM() else { throw KeySetError("the key cannot be written: \(OpenSSLError.take())") }
    return pem
  }
}
