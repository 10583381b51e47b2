import HTTP
import Testing

@testable import Routing

@Suite("Route table")
struct RouteTableTests {
  struct Case: CustomStringConvertible, Sendable {
    let request: String
    let expected: RouteDecision
    var description: String { request }

    init(_ request: String, _ expected: RouteDecision) {
      self.request = request
      self.expected = expected
    }

    init(_ request: String, _ route: Int) { self.init(request, .route(route)) }
  }

  // MARK: - Hosts

  @Test(
    "an exact host goes before a wildcard, a longer wildcard before a shorter, any host last",
    arguments: [
      Case("GET api.example.com /x", 0),
      Case("GET API.Example.COM /x", 0),
      Case("GET api.example.com:8443 /x", 0),
      Case("GET api.example.com. /x", 0),
      Case("GET api.example.com.:443 /x", 0),
      Case("GET a.eu.example.com /x", 1),
      Case("GET a.b.eu.example.com /x", 1),
      Case("GET eu.example.com /x", 2),
      Case("GET other.example.com /x", 2),
      Case("GET example.com /x", 3),
      Case("GET .example.com /x", 3),
      Case("GET xexample.com /x", 3),
      Case("GET example.com.evil.org /x", 3),
      Case("GET api.example.com.. /x", 3),
      Case("GET [::1]:8443 /x", 4),
      Case("GET [::1] /x", 4),
      Case("GET [::2] /x", 3),
      Case("GET 10.0.0.1:80 /x", 3),
      Case("GET - /x", 3),
    ])
  func hosts(_ test: Case) throws {
    let table = try makeTable([
      RouteMatch(hosts: ["api.example.com"]), RouteMatch(hosts: ["*.eu.example.com"]), RouteMatch(hosts: ["*.example.com"]),
      RouteMatch(), RouteMatch(hosts: ["[::1]"]),
    ])
    #expect(table.decide(test.request) == test.expected)
  }

  @Test("a host that has no route for the path leaves the request to less specific hosts")
  func hostFallback() throws {
    let table = try makeTable([
      RouteMatch(hosts: ["api.example.com"], path: "/orders/**"), RouteMatch(hosts: ["*.example.com"], path: "/status"),
      RouteMatch(path: "/health"),
    ])
    #expect(table.decide("GET api.example.com /orders/1") == .route(0))
    #expect(table.decide("GET api.example.com /status") == .route(1))
    #expect(table.decide("GET api.example.com /health") == .route(2))
    #expect(table.decide("GET api.example.com /else") == .notFound)
  }

  @Test("a host that has a route for the path decides on the method, and on no headers")
  func hostDecidesMethod() throws {
    let table = try makeTable([
      RouteMatch(hosts: ["api.example.com"], path: "/orders", methods: ["GET"]), RouteMatch(path: "/**"),
      RouteMatch(hosts: ["api.example.com"], path: "/beta", headers: [HeaderMatch(name: "X-Beta", value: "1")]),
    ])
    #expect(table.decide("POST api.example.com /orders") == .methodNotAllowed)
    #expect(table.decide("POST www.example.com /orders") == .route(1))
    #expect(table.decide("GET api.example.com /beta", [("x-beta", "1")]) == .route(2))
    #expect(table.decide("GET api.example.com /beta") == .route(1))
  }

  @Test("a host longer than any name matches only routes for any host")
  func longHost() throws {
    let table = try makeTable([RouteMatch(hosts: ["*.example.com"]), RouteMatch()])
    let host = String(repeating: "a.", count: 4000) + "example.com"
    #expect(table.decide("GET \(host) /") == .route(1))
  }

  // MARK: - Paths

  @Test(
    "an exact path goes before parameters, parameters before a prefix, a longer prefix before a shorter",
    arguments: [
      Case("GET h /orders", 0),
      Case("GET h /orders/", 3),
      Case("GET h /orders/new", 1),
      Case("GET h /orders/17", 2),
      Case("GET h /orders/17/items", 5),
      Case("GET h /orders/17/lines", 3),
      Case("GET h /orders/new/lines", 3),
      Case("GET h /orders/archive", 2),
      Case("GET h /orders/archive/2020", 4),
      Case("GET h /orders/archive/items", 5),
      Case("GET h /ordersX", .notFound),
      Case("GET h /order", .notFound),
      Case("GET h /Orders", .notFound),
      Case("GET h /", .notFound),
      Case("OPTIONS h *", .notFound),
    ])
  func paths(_ test: Case) throws {
    let table = try makeTable([
      RouteMatch(path: "/orders"), RouteMatch(path: "/orders/new"), RouteMatch(path: "/orders/{id}"),
      RouteMatch(path: "/orders/**"), RouteMatch(path: "/orders/archive/**"), RouteMatch(path: "/orders/{id}/items"),
    ])
    #expect(table.decide(test.request) == test.expected)
  }

  @Test(
    "a last slash, the root, and what is below a parameter",
    arguments: [
      Case("GET h /", 0), Case("GET h /a/", 1), Case("GET h /a", .notFound), Case("GET h /a/b/c/d", 2), Case("GET h /a/b/c", 2),
      Case("GET h /a//c", .notFound), Case("GET h /b", 3), Case("GET h /b/", 3), Case("GET h /b/c", 3),
    ])
  func slashes(_ test: Case) throws {
    let table = try makeTable([
      RouteMatch(path: "/"), RouteMatch(path: "/a/"), RouteMatch(path: "/a/{x}/c/**"), RouteMatch(path: "/b/**"),
    ])
    #expect(table.decide(test.request) == test.expected)
  }

  @Test("escapes are the same whatever the case of their digits")
  func escapes() throws {
    let table = try makeTable([RouteMatch(path: "/caf%C3%a9/**"), RouteMatch(path: "/**")])
    for path in ["/caf%C3%A9", "/caf%c3%a9/x", "/caf%c3%A9/"] { #expect(table.decide("GET h \(path)") == .route(0)) }
    #expect(table.decide("GET h /caf%C3%A8") == .route(1))
    #expect(table.decide("GET h /CAF%C3%A9") == .route(1))
  }

  @Test("a branch that leads nowhere is left for the next")
  func backtracking() throws {
    let table = try makeTable([RouteMatch(path: "/a/b/c"), RouteMatch(path: "/{x}/b/d"), RouteMatch(path: "/a/**")])
    #expect(table.decide("GET h /a/b/c") == .route(0))
    #expect(table.decide("GET h /a/b/d") == .route(1))
    #expect(table.decide("GET h /a/b/e") == .route(2))
  }

  // MARK: - Methods and headers

  @Test(
    "methods are exact, and those that are named go before those that are not",
    arguments: [
      Case("GET h /a", 0), Case("HEAD h /a", 1), Case("POST h /a", 1), Case("PURGE h /a", 1), Case("get h /a", 1),
      Case("TRACE h /a", .methodNotAllowed), Case("CONNECT h /a", .methodNotAllowed), Case("TRACE h /t", 2),
      Case("PURGE h /p", 3), Case("PURG h /p", .methodNotAllowed), Case("GET h /p", .methodNotAllowed),
      Case("POST h /c/d", 5), Case("GET h /c/d", 4), Case("PUT h /c/d", .methodNotAllowed),
    ])
  func methods(_ test: Case) throws {
    let table = try makeTable([
      RouteMatch(path: "/a", methods: ["GET"]), RouteMatch(path: "/a"), RouteMatch(path: "/t", methods: ["TRACE"]),
      RouteMatch(path: "/p", methods: ["PURGE"]), RouteMatch(path: "/c/d", methods: ["GET"]),
      RouteMatch(path: "/c/**", methods: ["POST"]),
    ])
    #expect(table.decide(test.request) == test.expected)
  }

  @Test("Allow lists the methods of every candidate, once each")
  func allow() throws {
    let table = try makeTable([
      RouteMatch(path: "/c/d", methods: ["GET", "HEAD"]), RouteMatch(path: "/c/**", methods: ["POST", "PURGE", "GET"]),
      RouteMatch(path: "/c/{x}", methods: ["BAN", "PURGE"]), RouteMatch(path: "/all"),
      RouteMatch(path: "/c/d", methods: ["DELETE"], headers: [HeaderMatch(name: "X-Admin", value: "1")]),
    ])
    #expect(table.allowed("PUT h /c/d") == "GET, HEAD, POST, BAN, PURGE")
    #expect(table.allowed("PUT h /c/d", [("X-Admin", "1")]) == "GET, HEAD, POST, DELETE, BAN, PURGE")
    #expect(table.allowed("TRACE h /all") == "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
  }

  @Test("more headers go before fewer, a value before presence, and a field may be repeated")
  func headers() throws {
    let table = try makeTable([
      RouteMatch(), RouteMatch(headers: [HeaderMatch(name: "X-Version", value: "2")]),
      RouteMatch(headers: [HeaderMatch(name: "x-version", value: "*")]),
      RouteMatch(headers: [HeaderMatch(name: "X-Version", value: "2"), HeaderMatch(name: "X-Beta", value: "*")]),
    ])
    #expect(table.decide("GET h /") == .route(0))
    #expect(table.decide("GET h /", [("X-VERSION", "2")]) == .route(1))
    #expect(table.decide("GET h /", [("X-Version", "3"), ("x-version", "2")]) == .ambiguous)
    #expect(table.decide("GET h /", [("X-Version", "3")]) == .route(2))
    #expect(table.decide("GET h /", [("X-Version", "2"), ("X-Beta", "")]) == .route(3))
    #expect(table.decide("GET h /", [("X-Versions", "2"), ("X-Beta", "")]) == .route(0))
  }

  @Test("a route that only its headers rule out is no reason for 405")
  func headersAndMethods() throws {
    let table = try makeTable([
      RouteMatch(path: "/a", methods: ["GET"], headers: [HeaderMatch(name: "X-A", value: "1")])
    ])
    #expect(table.decide("POST h /a") == .notFound)
    #expect(table.decide("POST h /a", [("X-A", "1")]) == .methodNotAllowed)
  }

  // MARK: - Scale

  @Test("matching among 10,000 routes looks at as many nodes as among 10")
  func scale() throws {
    func visits(_ count: Int) throws -> Int {
      let table = try makeTable(
        (0..<count).map {
          RouteMatch(
            hosts: $0 % 2 == 0 ? ["h\($0 % 7).example.com"] : [], path: "/service-\($0)/items/{id}", methods: ["GET"])
        })
      let (decision, visits) = table.decideCounting("GET h1.example.com /service-9/items/4711")
      #expect(decision == .route(9))
      return visits
    }
    let few = try visits(10)
    #expect(try visits(10_000) == few)
    #expect(few <= 8)
  }

  @Test("every way of seeding gives the same decisions")
  func seeds() throws {
    let matches = (0..<200).map { RouteMatch(hosts: ["h\($0 % 5).example.com"], path: "/a\($0)/{x}/b") }
    for seed: UInt64 in [0, 1, .max, 0xdead_beef] {
      let table = try makeTable(matches, seed: seed)
      for index in 0..<200 { #expect(table.decide("GET h\(index % 5).example.com /a\(index)/1/b") == .route(index)) }
      #expect(table.decide("GET h0.example.com /a1/1/b") == .notFound)
    }
  }

  @Test("a table of no routes finds none")
  func empty() throws {
    #expect(try makeTable([]).decide("GET h /") == .notFound)
  }

  @Test("the table agrees with a naive reading of the rules on random routes")
  func naive() throws {
    var random = SplitMix(state: 42)
    for _ in 0..<300 {
      let matches = (0..<12).map { _ in Naive.randomMatch(&random) }
      var builder = RouteTableBuilder(seed: random.next())
      for (index, match) in matches.enumerated() { try builder.add(match, index: index) }
      let tied = Set(builder.ties().flatMap { [$0.first, $0.second] })
      // With the routes that tie gone, there is one answer.
      let kept = matches.indices.filter { !tied.contains($0) }
      let table = try makeTable(kept.map { matches[$0] })
      for _ in 0..<40 {
        let (host, path, method) = Naive.randomRequest(&random)
        let expected = Naive.decide(kept.map { matches[$0] }, host, path, method)
        let decided = table.decide("\(method) \(host) \(path)")
        #expect(decided == expected, "\(method) \(host) \(path) in \(kept.map { matches[$0] })")
      }
    }
  }

  @Test("a method that a route names, in another case, is refused on every path")
  func misspelt() throws {
    let table = try makeTable([RouteMatch(path: "/a", methods: ["FROB", "Brew"]), RouteMatch(path: "/b")])
    for path in ["/a", "/b", "/c"] {
      for method in ["frob", "Frob", "FROb", "brew", "BREW"] { #expect(table.decide("\(method) h \(path)") == .ambiguous) }
    }
    #expect(table.decide("FROB h /a") == .route(0))
    #expect(table.decide("Brew h /b") == .route(1))
    #expect(table.decide("frobs h /b") == .route(1))
  }

  @Test("two routes cannot name one method in two cases")
  func spellings() throws {
    var builder = RouteTableBuilder()
    try builder.add(RouteMatch(path: "/a", methods: ["Frob"]), index: 0)
    try builder.add(RouteMatch(path: "/b", methods: ["Frob"]), index: 1)
    #expect(throws: PatternError.self) { try builder.add(RouteMatch(path: "/c", methods: ["FROB"]), index: 2) }
    for names in [["Frob", "FROB"], ["propfind"], ["Query"], ["post"]] {
      #expect(throws: PatternError.self) { try MethodSet(names) }
    }
  }

  @Test("a list in which a route finds its value is refused where it would make a difference")
  func lists() throws {
    let version = { RouteMatch(path: "/v", headers: [HeaderMatch(name: "X-Version", value: $0)]) }
    let table = try makeTable([
      version("1"), version("2"), version("a, b"), RouteMatch(path: "/v"), RouteMatch(path: "/**"),
      RouteMatch(path: "/p", headers: [HeaderMatch(name: "X-Beta", value: "*")]),
    ])
    func decide(_ path: String, _ values: String...) -> RouteDecision {
      table.decide("GET h \(path)", values.map { ("X-Version", $0) })
    }
    for values in [["2, 1"], ["2,3"], ["3, 2"], ["3,\t2 ,"], ["2,"], [",2"], ["1,2"], ["2,2"], ["2,a, b"]] {
      #expect(decide("/v", values[0]) == .ambiguous, "\(values)")
      #expect(decide("/elsewhere", values[0]) == .route(4), "where no route asks")
    }
    for values in [("2", "1"), ("1", "2"), ("2", "2"), ("3", "2"), ("2", ""), ("", "2"), ("3, 2", "4"), ("a, b", "x")] {
      #expect(decide("/v", values.0, values.1) == .ambiguous, "\(values)")
    }
    #expect(decide("/v", "2") == .route(1))
    #expect(decide("/v", "a, b") == .route(2))
    // What no route asks for is nobody's, however it is read.
    for values in [("3", "4"), ("3,4", "5"), ("a", "b"), ("", "")] { #expect(decide("/v", values.0, values.1) == .route(3)) }
    #expect(decide("/v", "22, 11") == .route(3))
    // Whether a field is there at all, lists do not change.
    #expect(table.decide("GET h /p", [("X-Beta", "1"), ("X-Beta", "2, 3")]) == .route(5))
  }

  @Test("what Connection nominates reaches no backend, so nothing is decided by it")
  func nominated() throws {
    let table = try makeTable([
      RouteMatch(path: "/v", headers: [HeaderMatch(name: "X-Version", value: "1")]), RouteMatch(path: "/**"),
      RouteMatch(path: "/p", headers: [HeaderMatch(name: "X-Beta", value: "*")]),
    ])
    func decide(_ path: String, _ nominated: String, _ fields: [(String, String)]) -> RouteDecision {
      table.decide("GET h \(path)", fields, nominated: nominated)
    }
    #expect(decide("/v", "x-version", [("X-Version", "1")]) == .ambiguous)
    #expect(decide("/p", "x_beta", [("X-Beta", "1")]) == .ambiguous)
    #expect(decide("/v", "x-version", [("X-Version", "2")]) == .route(1))
    #expect(decide("/v", "x-other", [("X-Version", "1")]) == .route(0))
    #expect(decide("/x", "x-version", [("X-Version", "1")]) == .route(1))
  }

  @Test("names that become one may not be two routes'")
  func fieldNames() throws {
    var builder = RouteTableBuilder()
    try builder.add(RouteMatch(path: "/a", headers: [HeaderMatch(name: "X-Version", value: "1")]), index: 0)
    try builder.add(RouteMatch(path: "/b", headers: [HeaderMatch(name: "x-version", value: "2")]), index: 1)
    #expect(throws: PatternError.self) {
      try builder.add(RouteMatch(path: "/c", headers: [HeaderMatch(name: "X_Version", value: "1")]), index: 2)
    }
    #expect(throws: PatternError.self) {
      let both = [HeaderMatch(name: "X-A", value: "1"), HeaderMatch(name: "X.A", value: "1")]
      try builder.add(RouteMatch(path: "/d", headers: both), index: 3)
    }
  }
}
