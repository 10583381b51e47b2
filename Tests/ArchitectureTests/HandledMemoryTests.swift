import Foundation
import Testing

/// `docs/security.md` says how many places of each room handle memory by hand. The numbers only fall.
@Suite("Memory that is handled by hand")
struct HandledMemoryTests {
  static let rooms = House.rooms.filter { !$0.isForeign }.map(\.name)

  @Test("a room handles memory in as many places as docs/security.md says, and never in more", arguments: rooms)
  func onlyFalls(room: String) throws {
    let allowed = try #require(
      HandledMemory.allowed(Repository.text("docs/security.md"))[room], "docs/security.md has no row for \(room)")
    let count = try HandledMemory.count(room: room)
    #expect(count <= allowed, "\(room) handles memory by hand in \(count) places; docs/security.md allows \(allowed)")
    #expect(count >= allowed, "\(room) is down to \(count): lower the number in docs/security.md")
  }

  @Test("what reads the network's and the operator's bytes handles none, and the compiler sees to it", arguments: House.safe)
  func safeRooms(room: String) throws {
    #expect(try HandledMemory.count(room: room) == 0)
    let manifest = try Repository.text("Package.swift")
    let start = try #require(manifest.firstRange(of: try Regex(#"\.target\(\s*name: "\#(room)""#)))
    let rest = manifest[start.upperBound...]
    let target = rest[..<(rest.firstRange(of: "\n    .")?.lowerBound ?? rest.endIndex)]
    #expect(target.contains("swiftSettings: strict"), "Package.swift does not compile \(room) with strict memory safety")
  }

  @Test("no row is stale")
  func rowsAreRooms() throws {
    #expect(Set(HandledMemory.allowed(try Repository.text("docs/security.md")).keys) == Set(Self.rooms))
  }

  @Test(
    "the reader of unsafe places tells them from words about them",
    arguments: [
      ("let a = unsafe b", 1), ("return unsafe c[0]", 1), ("x(unsafe y)", 1), ("// unsafe b", 0), (#"let a = "unsafe b""#, 0),
      ("var p: UnsafeMutablePointer<UInt8>", 1), ("unsafe a.withUnsafeBytes { $0 }", 2), ("nonisolated(unsafe) let a = 1", 1),
      ("unowned(unsafe) let a: A", 1), ("class A: @unchecked Sendable {}", 1), ("a.unsafelyUnwrapped", 1),
      ("@unsafe func f()", 0),
      ("Unmanaged.passUnretained(a)", 1), ("let isUnsafe = true", 0), ("HTTPMethod.isUnsafe", 0),
      ("unsafeBitCast(a, to: B.self)", 1),
    ] as [(String, Int)])
  func counts(text: String, expected: Int) { #expect(HandledMemory.count(in: text) == expected, "\(text)") }
}
