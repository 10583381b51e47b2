import Testing

@testable import Routing

@Suite("What falls through to public routes")
struct RouteFallThroughTests {
  /// Pairs of a route with authentication and the public one; routes without methods and those in `open` are public.
  private func pairs(open: Set<Int>, _ matches: RouteMatch...) throws -> [[Int]] {
    var builder = RouteTableBuilder()
    for (index, match) in matches.enumerated() { try builder.add(match, index: index) }
    return builder.fallThroughs { open.contains($0) }.map { [$0.guarded, $0.open] }
  }

  private let write = RouteMatch(path: "/doc/**", methods: ["POST", "PUT"])

  @Test("a public route for all methods, of the same paths or of more")
  func taken() throws {
    for path in ["/doc/**", "/**", "/{x}/**"] { #expect(try pairs(open: [1], write, RouteMatch(path: path)) == [[0, 1]]) }
    let one = RouteMatch(path: "/a/{id}/b", methods: ["POST"])
    for path in ["/a/{x}/b", "/{y}/{x}/b", "/a/**", "/a/{x}/**", "/{a}/{b}/{c}"] {
      #expect(try pairs(open: [1], one, RouteMatch(path: path)) == [[0, 1]])
    }
    let header = RouteMatch(path: "/doc/**", headers: [HeaderMatch(name: "X-A", value: "1")])
    #expect(try pairs(open: [1], write, header, RouteMatch(path: "/doc/**")) == [[0, 1]])
  }

  @Test("none where methods are named, where somebody else asks first, or where paths or hosts differ")
  func nothing() throws {
    #expect(try pairs(open: [1], write, RouteMatch(path: "/doc/**", methods: ["GET"])) == [])
    #expect(try pairs(open: [2], write, RouteMatch(path: "/doc/**"), RouteMatch(path: "/**")) == [])
    #expect(try pairs(open: [1, 2], write, RouteMatch(path: "/doc/a"), RouteMatch(path: "/doc")) == [])
    #expect(try pairs(open: [1], write, RouteMatch(hosts: ["a.b"], path: "/**")) == [])
    #expect(try pairs(open: [1], RouteMatch(path: "/doc/**"), RouteMatch(path: "/**")) == [])
    #expect(try pairs(open: [0, 1], write, RouteMatch(path: "/**")) == [])
    #expect(try pairs(open: [1], RouteMatch(path: "/a/", methods: ["POST"]), RouteMatch(path: "/a/{x}")) == [])
    #expect(try pairs(open: [1], RouteMatch(path: "/{x}", methods: ["POST"]), RouteMatch(path: "/a")) == [])
  }

  @Test("the most specific decides, as it would for a request")
  func order() throws {
    let exact = RouteMatch(path: "/a/b", methods: ["POST"])
    #expect(try pairs(open: [2], exact, RouteMatch(path: "/a/{x}"), RouteMatch(path: "/a/**")) == [])
    #expect(try pairs(open: [1], exact, RouteMatch(path: "/a/{x}"), RouteMatch(path: "/a/**")) == [[0, 1]])
    #expect(try pairs(open: [2], exact, RouteMatch(path: "/a/**"), RouteMatch(path: "/**")) == [])
    #expect(try pairs(open: [1], exact, RouteMatch(path: "/{x}/b"), RouteMatch(path: "/a/**")) == [[0, 1]])
  }
}
