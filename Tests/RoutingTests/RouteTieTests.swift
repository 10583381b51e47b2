import Testing

@testable import Routing

@Suite("Routes that tie")
struct RouteTieTests {
  private func ties(_ matches: RouteMatch...) throws -> [[Int]] {
    var builder = RouteTableBuilder()
    for (index, match) in matches.enumerated() { try builder.add(match, index: index) }
    return builder.ties().map { [$0.first, $0.second] }
  }

  @Test("two routes that say the same tie, whatever they call their parameters, hosts and headers")
  func same() throws {
    #expect(try ties(RouteMatch(path: "/a"), RouteMatch(path: "/a")) == [[0, 1]])
    #expect(try ties(RouteMatch(path: "/{a}/x"), RouteMatch(path: "/{b}/x")) == [[0, 1]])
    #expect(try ties(RouteMatch(hosts: ["a.b", "c.d"]), RouteMatch(hosts: ["C.D."])) == [[0, 1]])
    #expect(try ties(RouteMatch(path: "/%c3%a9"), RouteMatch(path: "/%C3%A9")) == [[0, 1]])
    #expect(try ties(RouteMatch(methods: ["GET", "HEAD"]), RouteMatch(methods: ["HEAD", "POST"])) == [[0, 1]])
    #expect(try ties(RouteMatch(methods: ["PURGE"]), RouteMatch(methods: ["PURGE"])) == [[0, 1]])
    let header = [HeaderMatch(name: "X-A", value: "1")]
    #expect(try ties(RouteMatch(headers: header), RouteMatch(headers: [HeaderMatch(name: "x-a", value: "1")])) == [[0, 1]])
    #expect(try ties(RouteMatch(headers: header), RouteMatch(headers: [HeaderMatch(name: "X-B", value: "1")])) == [[0, 1]])
  }

  @Test("two routes that no request could both match, or of which one is more specific, do not")
  func different() throws {
    #expect(try ties(RouteMatch(path: "/a"), RouteMatch(path: "/a/**"), RouteMatch(path: "/{x}"), RouteMatch(path: "/**")) == [])
    #expect(try ties(RouteMatch(hosts: ["a.b"]), RouteMatch(hosts: ["*.b"]), RouteMatch()) == [])
    #expect(try ties(RouteMatch(methods: ["GET"]), RouteMatch(methods: ["POST"]), RouteMatch()) == [])
    let version = { RouteMatch(headers: [HeaderMatch(name: "X-Version", value: $0)]) }
    #expect(try ties(version("1"), version("2"), version("*"), RouteMatch()) == [])
    #expect(try ties(RouteMatch(path: "/a/{x}"), RouteMatch(path: "/b/{x}"), RouteMatch(path: "/{y}/{x}")) == [])
    #expect(try ties(RouteMatch(path: "/a/{x}/**"), RouteMatch(path: "/{y}/b")) == [])
    #expect(try ties(RouteMatch(path: "/a/"), RouteMatch(path: "/a/{x}")) == [])
  }

  @Test("paths of which each is more specific in one segment tie, unless a route takes what they share")
  func crossing() throws {
    let (page, settings) = (RouteMatch(path: "/users/me/{page}"), RouteMatch(path: "/users/{id}/settings"))
    #expect(try ties(page, settings) == [[0, 1]])
    #expect(try ties(page, settings, RouteMatch(path: "/users/me/settings")) == [])
    #expect(try ties(page, settings, RouteMatch(path: "/users/me/settings", methods: ["GET"])) == [[0, 1]])
    #expect(try ties(RouteMatch(path: "/a/{x}/**"), RouteMatch(path: "/{y}/b/**")) == [[0, 1]])
    #expect(
      try ties(RouteMatch(path: "/a/{x}", methods: ["GET"]), RouteMatch(path: "/{y}/b", methods: ["POST"])) == [])
    #expect(
      try ties(
        RouteMatch(path: "/a/{x}", methods: ["GET"]), RouteMatch(path: "/{y}/b"),
        RouteMatch(path: "/a/b", methods: ["GET", "PUT"])) == [])
  }

  @Test("the reason names what both take")
  func reason() throws {
    var builder = RouteTableBuilder()
    try builder.add(RouteMatch(hosts: ["a.b"], path: "/a/{x}"), index: 0)
    try builder.add(RouteMatch(hosts: ["a.b"], path: "/{y}/b"), index: 1)
    #expect(
      builder.ties().map(\.reason) == [
        "`/{}/b` and `/a/{}` on `a.b` both take `/a/b` and neither is more specific:"
          + " add a route for `/a/b`, or name different methods"
      ])
  }

  @Test("a hundred ties are enough, and 10,000 routes are compared in no time to speak of")
  func many() throws {
    var builder = RouteTableBuilder()
    for index in 0..<500 { try builder.add(RouteMatch(path: "/same"), index: index) }
    #expect(builder.ties().count == 100)
    var large = RouteTableBuilder()
    for index in 0..<10_000 { try large.add(RouteMatch(path: "/s\(index)/{id}/**"), index: index) }
    #expect(large.ties().isEmpty)
  }
}
