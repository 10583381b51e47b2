import Testing

@testable import GatehouseBackend

@Suite("Base64url has one spelling for each byte string")
struct Base64URLTests {
  @Test("what RFC 4648 section 10 spells, without padding")
  func vectors() {
    for (text, bytes) in [("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9vYmE", "fooba")] {
      #expect(Base64URL.decode(text.utf8) == Array(bytes.utf8))
    }
    #expect(Base64URL.decode("-_-_".utf8) == [0xfb, 0xff, 0xbf])
  }

  @Test("everything else", arguments: ["Z", "Zg=", "Zg==", "Zh", "Zm9", "+/+/", "Zm 8", "Zm8\n", "Zm8.", "Zmé8", "Zm9vY"])
  func refused(text: String) {
    #expect(Base64URL.decode(text.utf8) == nil)
  }
}
