import Testing

@testable import HTTP

@Suite("Authorities")
struct AuthorityTests {
  @Test(
    "host and port are told apart",
    arguments: [
      ("example.com", "example.com", nil), ("example.com:8443", "example.com", 8443), ("example.com.", "example.com", nil),
      ("example.com.:1", "example.com", 1), ("127.0.0.1:80", "127.0.0.1", 80), ("[::1]:65535", "[::1]", 65535), ("[::]",
      "[::]", nil),
      ("[2001:db8::192.0.2.1]", "[2001:db8::192.0.2.1]", nil), ("[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", nil), ("a_b",
      "a_b", nil),
      ("[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", nil), ("XN--A:00080", "XN--A", 80),
    ] as [(String, String, UInt16?)])
  func accepted(text: String, host: String, port: UInt16?) throws {
    let bytes = Array(text.utf8)
    let parsed = Authority(bytes.span)
    let authority = try #require(parsed)
    #expect(String(decoding: bytes[authority.host.bounds], as: UTF8.self) == host)
    #expect(authority.port == port)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", ".", "..", ":80", "a:", "a:0", "a:65536", "a:99999", "a:123456", "a:8x", "a:-1", "a: 80", "user@a", "a/b", "a b",
      "a,b", "a..b", ".a",
      "a..", "a%41", "a=b", "[", "[]", "[::1", "[::1]x", "[::1]:", "[:::]", "[1::2::3]", "[12345::]", "[1:2:3:4:5:6:7]",
      "[1:2:3:4:5:6:7:8:9]",
      "[1:2:3:4:5:6:7:8::]", "[fe80::1%25eth0]", "[v1.a]", "[::1.2.3]", "[::1.2.3.256]", "[::01.2.3.4]", "[::1.2.3.4:5]",
      "[1:]", "[:1]", "a:b:c",
      "::1", "\u{e9}", "a\u{0}", "a\t", "a\\b",
    ])
  func refused(text: String) {
    let bytes = Array(text.utf8)
    let authority = Authority(bytes.span)
    #expect(authority == nil)
  }

  @Test("a host name has at most 255 bytes")
  func longHost() {
    let longest = [UInt8](repeating: UInt8(ascii: "a"), count: 255)
    let accepted = Authority(longest.span)
    #expect(accepted != nil)
    let longer = [UInt8](repeating: UInt8(ascii: "a"), count: 256)
    let refused = Authority(longer.span)
    #expect(refused == nil)
  }
}
