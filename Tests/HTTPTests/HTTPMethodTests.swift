import Testing

@testable import HTTP

@Suite("Request methods")
struct HTTPMethodTests {
  @Test("what may be repeated is what RFC 9110 calls idempotent", arguments: HTTPMethod.allCases)
  func idempotent(method: HTTPMethod) {
    let repeatable: Set<HTTPMethod> = [.get, .head, .put, .delete, .options, .trace]
    #expect(method.isIdempotent == repeatable.contains(method))
  }
}
