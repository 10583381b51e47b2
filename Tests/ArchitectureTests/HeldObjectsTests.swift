import Foundation
import Testing

/// Whatever of ours can outlive its owner is owned, or found by a number: nobody looks at an object that nobody holds.
@Suite("Objects that somebody looks at")
struct HeldObjectsTests {
  private static var words: Regex<Substring> {
    #/\bunowned\b|\bUnmanaged\b|\bunsafeDowncast\b|\bunsafeBitCast\b|\.unsafelyUnwrapped\b/#
      .wordBoundaryKind(.simple)
  }

  /// Lines that may hold such a word, and why.
  private static let allowed: [(path: String, line: String, why: String)] = [
    ("Sources/Bytes/ByteScan.swift", "unsafeBitCast(found, to: SIMD2<UInt64>.self)", "sixteen bytes, no object")
  ]

  /// `unsafelyUnwrapped` of an address, whose bounds are looked at beside it, is counted with memory by hand.
  private static func isAddress(_ code: Substring) -> Bool {
    code.contains(#/(?:baseAddress|\bbase|\bmemory|\bentries|\bother)\.unsafelyUnwrapped/#.wordBoundaryKind(.simple))
  }

  static func find(in text: String) -> [String] {
    text.split(separator: "\n").compactMap { (line: Substring) -> String? in
      let code: Substring = line.replacing(#/"(?:\\.|[^"\\])*"/#, with: "\"\"").replacing(#/\/\/.*$/#, with: "")
      let found = code.matches(of: words).map { String($0.output) }
      if found.isEmpty || found.allSatisfy({ $0 == ".unsafelyUnwrapped" }) && isAddress(code) { return nil }
      return code.trimmingCharacters(in: .whitespaces)
    }
  }

  @Test("no object is looked at that nobody holds")
  func everyObjectIsHeld() throws {
    for file in try Repository.swiftFiles("Sources") {
      for line in Self.find(in: file.text) {
        let isAllowed = Self.allowed.contains { $0.path == file.path && line.contains($0.line) }
        #expect(isAllowed, "\(file.path): \(line): own it, hold it weakly off the request's path, or find it by slot and generation")
      }
    }
  }

  @Test("no allowance is stale")
  func allowancesAreUsed() throws {
    for one in Self.allowed { #expect(try Self.find(in: Repository.text(one.path)).contains { $0.contains(one.line) }, "\(one.path)") }
  }

  @Test(
    "the reader tells objects from words about them",
    arguments: [
      ("unowned let a: A", 1), ("unowned(unsafe) var a: A?", 1), ("{ [unowned self] in a() }", 1), ("// unowned", 0), (#"let a = "unowned""#, 0),
      ("Unmanaged.passUnretained(a)", 1), ("unsafeDowncast(a, to: B.self)", 1), ("unsafeBitCast(a, to: B.self)", 1),
      ("owner.unsafelyUnwrapped.call()", 1), ("room.baseAddress.unsafelyUnwrapped", 0), ("weak var a: A?", 0), ("let disowned = 1", 0),
    ] as [(String, Int)])
  func reads(text: String, count: Int) { #expect(Self.find(in: text).count == count, "\(text)") }
}
