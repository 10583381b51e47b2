import Proxy
import Testing

struct RouteTests {
  @Test func `Each backend is drawn as often as its weight says`() {
    let route = Route.make(backends: [(index: 4, weight: 95), (index: 2, weight: 5), (index: 7, weight: 100)])
    var drawn: [Int: Int] = [:]
    for random in 0..<2_000 as Range<UInt64> { drawn[route.backend(drawing: random), default: 0] += 1 }
    #expect(drawn == [4: 950, 2: 50, 7: 1_000])
    #expect(route.backend(drawing: .max) == 4)
  }

  @Test func `A backend of weight 0 is never drawn`() {
    let route = Route.make(backends: [(index: 0, weight: 0), (index: 1, weight: 3), (index: 2, weight: 0)])
    for random in 0..<10 as Range<UInt64> { #expect(route.backend(drawing: random) == 1) }
  }

  @Test func `The only backend is taken without drawing`() {
    var draws = 0
    func draw() -> UInt64 {
      draws += 1
      return 0
    }
    #expect(Route.make(backends: [(index: 3, weight: 1)]).backend(drawing: draw()) == 3)
    #expect(draws == 0)
  }
}
