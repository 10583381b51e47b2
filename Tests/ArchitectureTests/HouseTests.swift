import Foundation
import Testing

@Suite("The house")
struct HouseTests {
  @Test("every folder of Sources is a room of the list")
  func everyFolderIsARoom() throws {
    let names = Set(House.rooms.map(\.name))
    for folder in try Repository.folders("Sources") {
      #expect(
        names.contains(folder), "Sources/\(folder) is no room of House.swift: say there what it may import, and why it is a room")
    }
  }

  @Test("no arrow runs back up the list")
  func noArrowRunsBackUp() {
    var below = House.packages
    for room in House.rooms {
      #expect(room.imports.isSubset(of: below), "\(room.name) may not import \(room.imports.subtracting(below).sorted())")
      #expect(below.insert(room.name).inserted, "\(room.name) stands in the list twice")
    }
  }

  @Test("a room imports only what its row allows", arguments: House.rooms.map(\.name))
  func importsAreAllowed(name: String) throws {
    let room = try #require(House.rooms.first { $0.name == name })
    var allowed = room.imports.union(House.standard)
    if !room.isDataPlane { allowed.formUnion(["Foundation", "FoundationEssentials", "Dispatch"]) }
    for file in try Repository.swiftFiles("Sources/\(name)") {
      let wrong = Repository.imports(file.text).subtracting(allowed)
      #expect(wrong.isEmpty, "\(file.path) imports \(wrong.sorted())")
    }
  }

  @Test("no request passes through Foundation")
  func noFoundationInTheDataPlane() throws {
    for room in House.rooms where room.isDataPlane {
      for file in try Repository.swiftFiles("Sources/\(room.name)") {
        #expect(Repository.imports(file.text).filter { $0.hasPrefix("Foundation") }.isEmpty, "\(file.path)")
      }
    }
  }

  @Test("pure rooms know neither sockets nor threads", arguments: House.pure)
  func pureRoomsStayPure(name: String) throws {
    let room = try #require(House.rooms.first { $0.name == name })
    #expect(room.imports.isDisjoint(with: ["Reactor", "TLS", "Transport", "Upstream"]))
    for file in try Repository.swiftFiles("Sources/\(name)") {
      for call in ["socket(", "accept4(", "epoll_", "pthread_create", "Thread."] {
        #expect(!file.text.contains(call), "\(file.path) calls \(call)")
      }
    }
  }

  @Test("input cannot switch checks off", arguments: ["-Ounchecked", "fatalError(", "try!"])
  func checksStayOn(word: String) throws {
    for file in try Repository.swiftFiles("Sources") + [("Package.swift", Repository.text("Package.swift"))] {
      #expect(!file.text.contains(word), "\(file.path) holds \(word)")
    }
  }

  @Test("the reader of imports sees every form of one")
  func readsImports() {
    let text = """
      import A
      @preconcurrency import B
      package import C
      import struct D.E
      @_exported public import F
        import G // indented
      // import Commented
      let important = 1
      """
    #expect(Repository.imports(text) == ["A", "B", "C", "D", "F", "G"])
  }
}
