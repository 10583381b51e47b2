import Foundation
import Testing

/// `docs/bounds.md` says of everything in the data plane that can grow how far it can. A new container without a row fails here.
@Suite("Bounds")
struct BoundsTests {
  /// Rooms through which requests pass; those that only describe what C has have no properties.
  static let rooms = House.rooms.filter { $0.isDataPlane && !$0.isForeign }.map(\.name)

  private static func document() throws -> String { try Repository.text("docs/bounds.md") }

  /// What stands between back-quotes at the front of a row: `Room/Type.property`, or `Room/Type` for all of a type.
  private static func named(_ document: String) -> Set<String> {
    Set(document.matches(of: #/`([A-Z]\w+/\w+(?:\.\w+)?)`/#).map { String($0.output.1) })
  }

  @Test("everything that can grow stands in docs/bounds.md", arguments: rooms)
  func everyContainerHasABound(room: String) throws {
    let named = try Self.named(Self.document())
    for file in try Repository.swiftFiles("Sources/\(room)") {
      for container in StoredContainers.find(in: file.text) {
        let type = container.prefix { $0 != "." }
        let isNamed = named.contains("\(room)/\(container)") || named.contains("\(room)/\(type)")
        #expect(isNamed, "\(file.path): say in docs/bounds.md what bounds `\(room)/\(container)`, and what happens at the bound")
      }
    }
  }

  @Test("what stands in docs/bounds.md exists")
  func noRowIsStale() throws {
    var found: Set<String> = []
    for room in try Repository.folders("Sources") {
      for file in try Repository.swiftFiles("Sources/\(room)") {
        for container in StoredContainers.find(in: file.text) {
          found.insert("\(room)/\(container)")
          found.insert("\(room)/\(container.prefix { $0 != "." })")
        }
        for declared in file.text.matches(of: #/\b(?:class|struct|enum)\s+(\w+)/#) { found.insert("\(room)/\(declared.output.1)") }
      }
    }
    for name in try Self.named(Self.document()).sorted() where !found.contains(name) {
      Issue.record("docs/bounds.md speaks of `\(name)`, which is not there any more")
    }
  }

  @Test("the reader of properties tells them from variables and from what is computed")
  func readsProperties() {
    let text = """
      final class A {
        private var list: [Int] = []
        package private(set) var table = ByteQueue()  // grows
        var count: Int { list.count }
        var sum: [Int] { list }
        let fixed = [1]
        func f() {
          var local: [Int] = []
          if true { var inner = [1] }
        }
        struct B {
          var memory: UnsafeMutablePointer<UInt8>?
          var text = "[not one]"
        }
        var last: [String: Int] = [:]
      }
      """
    #expect(StoredContainers.find(in: text) == ["A.list", "A.table", "B.memory", "A.last"])
  }
}
