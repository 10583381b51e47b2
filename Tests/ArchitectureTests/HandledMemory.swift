import Foundation

/// Counts the places of a Swift file where the compiler cannot see that memory is used rightly, or that threads are kept apart.
enum HandledMemory {
  private static var word: Regex<Substring> {
    #/withUnsafe\w*|Unsafe[A-Za-z]*Pointer|Unmanaged|unowned\(unsafe\)|nonisolated\(unsafe\)|unsafeDowncast|unsafeBitCast|unsafelyUnwrapped|@unchecked\s+Sendable|(?:^|[^\w@.])unsafe\s+(?=\S)/#
  }

  /// How many there are, in code alone: comments and the text of literals tell of nothing.
  static func count(in text: String) -> Int {
    text.split(separator: "\n").reduce(0) { sum, line in
      // Few lines have any of the words; looking closely takes its time.
      guard line.contains("nsafe") || line.contains("Unmanaged") || line.contains("@unchecked") else { return sum }
      let code = line.replacing(#/"(?:\\.|[^"\\])*"/#, with: "\"\"").replacing(#/\/\/.*$/#, with: "")
      return sum + code.matches(of: word).count
    }
  }

  static func count(room: String) throws -> Int {
    try Repository.swiftFiles("Sources/\(room)").reduce(0) { $0 + count(in: $1.text) }
  }

  /// What the section of the document allows, by room.
  static func allowed(_ document: String) -> [String: Int] {
    guard let start = document.range(of: "## Where memory is handled by hand") else { return [:] }
    let section = document[start.upperBound...]
    let end = section.range(of: "\n## ")?.lowerBound ?? section.endIndex
    let rows = section[..<end].matches(of: #/(?m)^\| `(\w+)` \| (\d+) \|/#).map { (String($0.output.1), Int($0.output.2) ?? -1) }
    return Dictionary(rows, uniquingKeysWith: { first, _ in first })
  }
}
