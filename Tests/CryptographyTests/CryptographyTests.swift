import Bytes
import Testing

@testable import Cryptography

@Suite("Digests, codes and signatures")
struct CryptographyTests {
  @Test func `Digests are those of FIPS 180`() {
    // Empty and "abc".
    let (nothing, text) = ([] as [UInt8], Array("abc".utf8))
    #expect(
      Digest.hexadecimal(Digest.sha256(nothing)) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(Digest.hexadecimal(Digest.sha256(text)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(Digest.hexadecimal(Digest.sha1(text)) == "a9993e364706816aba3e25717850c26c9cd0d89d")
  }

  @Test func `Codes are those of RFC 4231`() {
    // Test case 2.
    let message = Array("what do ya want for nothing?".utf8)
    let code = MessageAuthentication.code(.sha256, key: Array("Jefe".utf8), message.span)
    #expect(code.map(Digest.hexadecimal) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let none: [UInt8] = []
    #expect(MessageAuthentication.code(.sha512, key: [], none.span)?.count == 64)
  }

  @Test func `Secrets are equal when all of them is`() {
    #expect(ConstantTime.equal([1, 2, 3], [1, 2, 3]) && ConstantTime.equal([], []))
    #expect(!ConstantTime.equal([1, 2, 3], [1, 2, 4]) && !ConstantTime.equal([1, 2, 3], [1, 2]))
  }

  @Test(arguments: [0, 1]) func `What is signed verifies, and nothing else does`(number: Int) throws {
    let isCurve = number == 0
    let key = try #require(AsymmetricKey(new: isCurve ? .p256 : .ed25519))
    let scheme: SignatureScheme = isCurve ? .ecdsa(.sha256) : .ed25519
    let signer = Signer()
    let verifier = Verifier()
    let pem = try #require(key.publicPEM())
    let publicKey = try #require(AsymmetricKey(publicPEM: pem))
    #expect(key.isPrivate && !publicKey.isPrivate && key.kind == publicKey.kind)
    for count in 0..<50 {
      var message = [UInt8](repeating: 7, count: count)
      let signed = signer.sign(message.span, with: key)
      let made = try #require(signed)
      var signature = [UInt8](made.span)
      let valid = verifier.isValid(signature.span, over: message.span, by: publicKey, scheme)
      #expect(valid)
      message.append(8)
      let otherMessage = verifier.isValid(signature.span, over: message.span, by: publicKey, scheme)
      #expect(!otherMessage)
      message.removeLast()
      signature[count % 64] ^= 1
      let otherSignature = verifier.isValid(signature.span, over: message.span, by: publicKey, scheme)
      #expect(!otherSignature)
    }
    // A scheme that is not the key's.
    let message: [UInt8] = [1]
    let signed = signer.sign(message.span, with: key)
    let made = try #require(signed)
    for other in [isCurve ? .ed25519 : .ecdsa(.sha256), .rsaPKCS1(.sha256), .rsaPSS(.sha512)] as [SignatureScheme] {
      let valid = verifier.isValid(made.span, over: message.span, by: publicKey, other)
      #expect(!valid)
    }
    // Nobody signs with the public half.
    let unsigned = signer.sign(message.span, with: publicKey)
    #expect(unsigned.map { _ in true } == nil)
  }

  @Test func `A signature has one spelling in either form`() throws {
    for _ in 0..<2000 {
      var raw = (0..<64).map { _ in UInt8.random(in: 0...255) }
      for half in [0, 32] { for index in 0..<Int.random(in: 0...3) { raw[half + index] = 0 } }
      let encoded = ECDSASignature.der(raw.span)
      let der = try #require(encoded)
      let decoded = ECDSASignature.p256(der.span)
      let back = try #require(decoded)
      #expect((0..<64).allSatisfy { back[$0] == raw[$0] })
      // Cut off anywhere it is none.
      let cut = ECDSASignature.p256(der.span.extracting(..<Int.random(in: 0..<der.count)))
      #expect(cut.map { _ in true } == nil)
    }
    let (odd, none, long) = ([UInt8](repeating: 1, count: 63), [] as [UInt8], [UInt8](repeating: 1, count: 134))
    for raw in [odd, none, long] {
      let der = ECDSASignature.der(raw.span)
      #expect(der == nil)
    }
  }

  @Test func `Keys that cannot be are refused`() {
    let (one, zero) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 0, count: 32))
    #expect(AsymmetricKey(.p256, x: one, y: one) == nil)
    #expect(AsymmetricKey(.p256, x: zero, y: zero) == nil)
    #expect(AsymmetricKey(.p384, x: one, y: one) == nil)
    for (kind, width) in [(AsymmetricKey.Kind.p384, 48), (.p521, 66)] {
      let coordinate = [UInt8](repeating: 1, count: width)
      #expect(AsymmetricKey(kind, x: coordinate, y: coordinate) == nil, "not on \(kind)")
    }
    // Together they are as long as two coordinates.
    if let key = AsymmetricKey(new: .p384), let x = key.number("qx", width: 48), let y = key.number("qy", width: 48) {
      #expect(AsymmetricKey(.p384, x: x, y: y) != nil)
      #expect(AsymmetricKey(.p384, x: x + y.prefix(1), y: Array(y.dropFirst())) == nil)
    } else {
      Issue.record("no key on P-384")
    }
    #expect(AsymmetricKey(.rsa, x: one, y: one) == nil)
    #expect(AsymmetricKey(modulus: [], exponent: []) == nil)
    #expect(AsymmetricKey(modulus: [4], exponent: [1, 0, 1]) == nil)
    #expect(AsymmetricKey(ed25519: [1]) == nil)
    #expect(AsymmetricKey(privatePEM: []) == nil && AsymmetricKey(publicPEM: Array("no key".utf8)) == nil)
  }
}
