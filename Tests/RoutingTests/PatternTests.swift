import Testing

@testable import Routing

@Suite("Host and path patterns")
struct PatternTests {
  @Test(
    "a path pattern that could never match, or not in one way, is refused with what to write",
    arguments: [
      ("", "write `/`"), ("orders", "write `/orders`"), ("*", "begins with `/`; and `*` is no part"), ("users/*", "end with `/**`"), ("/a//b", "single `/`"), ("//", "single `/`"),
      ("/a//**", "single `/`"), ("/a/**/b", "`**` stands only at the end"), ("/a*", "`*` is no part"), ("/*", "`*` is no part"),
      ("/a**", "`*` is no part"), ("/{id", "is no parameter"), ("/a{id}", "is no parameter"), ("/{}", "is no parameter"),
      ("/{a-b}", "is no parameter"), ("/{id}/{id}", "named twice"), ("/a/./b", "dot segments"), ("/a/..", "dot segments"),
      ("/a/..;x", "dot segments"), ("/a/..%3bx", "no request path"), ("/a?b", "no query"), ("/a#b", "no fragment"),
      ("/a\\b", "no backslash"), ("/a b", "no spaces"), ("/é", "percent-escapes"), ("/%", "%25"), ("/%4", "%25"),
      ("/%zz", "%25"),
      ("/%41", "write `A`"), ("/%2e", "write `.`"), ("/%2F", "escaped control byte, slash"), ("/%00", "escaped control byte"),
      ("/a\"b", "no request path"), ("/%c0%af", "no request path"),
    ])
  func badPath(_ pattern: String, _ expected: String) {
    let error = #expect(throws: PatternError.self) { try RoutePattern(pattern) }
    #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
  }

  @Test(
    "a good path pattern is what it was",
    arguments: ["/", "/**", "/a", "/a/", "/a/{}/**", "/%20", "/a.b", "/..a", "/a;b=c", "/caf%C3%A9", "/a|b"])
  func goodPath(_ pattern: String) throws {
    let text = pattern.replacing("{}", with: "{id}")
    #expect(try RoutePattern(text).description == pattern)
  }

  @Test(
    "a host pattern that is no host is refused with what to write",
    arguments: [
      ("", "leave `hosts` out"), ("*", "leave `hosts` out"), ("https://a.b", "without scheme"), ("a.b/c", "without scheme"),
      ("u@a.b", "user information"), ("::1", "write `[::1]`"), ("a.*.b", "only at the front"), ("*a.b", "only at the front"),
      ("*.*.b", "only at the front"), ("a..b", "single dot"), (".a", "single dot"), ("*..a", "single dot"), ("a b", "is no host"),
      ("é.example", "xn--"), ("[::g]", "no IPv6"), ("[]", "no IPv6"), ("*.", "is no host"), (":80", "is no host"),
      ("*.[::1]", "no IPv6"),
    ])
  func badHost(_ pattern: String, _ expected: String) {
    let error = #expect(throws: PatternError.self) { try HostPattern(pattern) }
    #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
  }

  @Test(
    "a host pattern loses its case, its port and its last dot",
    arguments: [
      ("API.example.com", "api.example.com"), ("a.b:8443", "a.b"), ("a.b.", "a.b"), ("*.A.b", "*.a.b"), ("[::A]:1", "[::a]"),
      ("10.0.0.1", "10.0.0.1"), ("localhost", "localhost"),
    ])
  func goodHost(_ pattern: String, _ expected: String) throws {
    #expect(try HostPattern(pattern).description == expected)
  }

  @Test("methods are tokens, and standard ones are written as they are sent")
  func methods() throws {
    for bad in [["get"], ["GET", "GET"], ["G T"], [""], ["Patch"]] {
      #expect(throws: PatternError.self) { try MethodSet(bad) }
    }
    #expect(try MethodSet(["PURGE", "GET"]).isNamed)
  }

  @Test("a header match that no field could have is refused")
  func headers() {
    for (name, value) in [("", "a"), ("a b", "c"), ("a", " b"), ("a", "b\t"), ("a", "b\r\nc")] {
      #expect(throws: PatternError.self) { try RouteTableBuilder.check(HeaderMatch(name: name, value: value)) }
    }
    var builder = RouteTableBuilder()
    #expect(throws: PatternError.self) {
      try builder.add(
        RouteMatch(headers: [HeaderMatch(name: "A", value: "1"), HeaderMatch(name: "a", value: "2")]), index: 0)
    }
  }
}
