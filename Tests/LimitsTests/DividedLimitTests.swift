import Limits
import Testing

@Suite struct DividedLimitTests {
  @Test(arguments: [(10, 4, [3, 3, 2, 2]), (8, 4, [2, 2, 2, 2]), (5, 4, [2, 1, 1, 1]), (7, 1, [7])])
  func `The parts add up to the whole`(_ whole: Int, _ parts: Int, _ expected: [Int]) {
    let limit = DividedLimit(whole, parts: parts)
    #expect((0..<parts).map(limit.part) == expected)
    #expect(expected.reduce(0, +) == whole)
    #expect(limit.least == expected.min())
  }

  @Test func `Each has one at least, where there is any`() {
    #expect((0..<4).map(DividedLimit(2, parts: 4).part) == [1, 1, 1, 1])
    #expect((0..<4).map(DividedLimit(0, parts: 4).part) == [0, 0, 0, 0])
    #expect(DividedLimit(1, parts: 0).part(of: 0) == 1)
    #expect(DividedLimit(-1, parts: 1).part(of: 0) == 0)
  }
}
