import Testing

@testable import HTTP

@Suite("URLs that the gateway fetches from")
struct HTTPSURLTests {
  @Test(arguments: [
    ("https://idp.example.com", "idp.example.com", 443, "/"), ("HTTPS://IDP.example.com/", "idp.example.com", 443, "/"),
    ("https://idp.example.com:8443/a/b?c=d", "idp.example.com", 8443, "/a/b?c=d"), ("https://127.0.0.1:1/x", "127.0.0.1", 1, "/x"),
    ("https://[::1]:9443/jwks", "::1", 9443, "/jwks"), ("https://[::1]", "::1", 443, "/"), ("https://a?b=c", "a", 443, "/?b=c"),
    ("https://a:/x", "a", 443, "/x"),
  ] as [(String, String, UInt16, String)])
  func `What it is made of`(text: String, host: String, port: UInt16, target: String) throws {
    let url = try #require(HTTPSURL(text))
    #expect(url.host == host && url.port == port && url.target == target)
    #expect(HTTPSURL(url.text) == url)
  }

  @Test(arguments: [
    "http://a/", "https:/a", "https://", "https:///x", "https://me@a/", "https://a/#b", "https://a:0/", "https://a:65536/", "https://a:x/",
    "https://a b/", "https://a/\r\nHost: b", "https://a/é", "https://[::1/", "https://[::1]x/", "https://[a]/", "ftp://a/", "", "//a/b",
    "https://a/\u{0}", "https://a<b/",
  ])
  func `What is none`(text: String) { #expect(HTTPSURL(text) == nil) }

  @Test func `A redirect is absolute or on the same host`() throws {
    let url = try #require(HTTPSURL("https://a.example:8443/one?x=1"))
    #expect(url.resolving("/two")?.text == "https://a.example:8443/two")
    #expect(url.resolving("https://a.example:8443/three")?.isSameOrigin(as: url) == true)
    #expect(url.resolving("//b.example/four")?.isSameOrigin(as: url) == false)
    #expect(url.resolving("http://a.example:8443/five") == nil)
  }

  @Test func `Discovery stands behind an issuer's own path`() {
    #expect(HTTPSURL("https://a/")?.appending("/.well-known/x").text == "https://a/.well-known/x")
    #expect(HTTPSURL("https://a/realms/b")?.appending("/.well-known/x").text == "https://a/realms/b/.well-known/x")
  }

  @Test(arguments: [
    ("max-age=60", 60), ("public, Max-Age=5, must-revalidate", 5), ("no-store", 0), ("max-age=9, no-cache", 0), ("private", nil), ("", nil),
    ("max-age=", nil), ("max-age=99999999999999999999", 1 << 31), ("s-maxage=7", nil),
  ] as [(String, UInt64?)])
  func `How long a response may be used`(value: String, expected: UInt64?) {
    #expect(CacheControl.freshness(Array(value.utf8)) == expected)
  }
}
