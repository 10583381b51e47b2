import Testing

@testable import TLS

struct ServerNameTableTests {
  private let table = ServerNameTable(names: [
    ["a.example"], ["*.example", "b.example"], ["c.example", "a.example", "*.deep.example"],
  ])

  @Test(arguments: [
    ("a.example", 0), ("A.EXAMPLE", 0), ("a.example.", 0), ("b.example", 1), ("x.example", 1), ("c.example", 2),
    ("x.deep.example", 2), ("deep.example", 1),
  ])
  func `A name finds its certificate`(name: String, index: Int) {
    #expect(table.index(for: name) == index)
  }

  @Test(arguments: ["", ".", "example", ".example", "x.y.example", "other", "a.example..", "*.other"])
  func `A name of no certificate finds none`(name: String) {
    #expect(table.index(for: name) == nil)
  }
}
