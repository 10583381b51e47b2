import Bytes
import JSON

/// A deny-list as a text: one entry a line, as `Revocation.init` reads it. Empty lines and lines that begin with `#` are left out.
package enum RevocationFile {
  /// Bytes of a whole list.
  package static let maximumBytes = 256 << 20

  /// What is wrong, and where: lines and columns count from 1.
  package struct Failure: Error, Equatable, CustomStringConvertible {
    package let line: Int
    package let column: Int
    package let message: String

    package var description: String { "\(line):\(column): \(message)" }
  }

  /// - Parameter now: seconds since 1970; what has ended by then is not kept.
  /// - Throws: for the first line that cannot be read: what it was to deny is not known, so the rest is not the list.
  package static func read(_ bytes: Span<UInt8>, now: Int64) throws(Failure) -> RevocationTable {
    guard bytes.count <= maximumBytes else {
      throw Failure(line: 1, column: 1, message: "the list has more than \(maximumBytes >> 20) MiB")
    }
    var builder = RevocationTable.Builder()
    var start = 0
    var number = 0
    while start < bytes.count {
      let end = ByteScan.lineFeed(bytes, from: start, to: bytes.count) ?? bytes.count
      number += 1
      var first = start
      while first < end, bytes[first] == 0x20 || bytes[first] == 0x09 || bytes[first] == 0x0d { first += 1 }
      if first < end, bytes[first] != UInt8(ascii: "#") {
        let line = bytes.extracting(first..<end)
        do throws(RevocationError) {
          let entry = try Revocation(line)
          if entry.until > now { builder.add(entry) }
        } catch {
          throw Failure(line: number, column: first - start + error.offset + 1, message: "the entry \(error.description)")
        }
        guard builder.count <= RevocationTable.maximumEntries else {
          throw Failure(line: number, column: 1, message: "the list has more than \(RevocationTable.maximumEntries) entries")
        }
      }
      start = end + 1
    }
    return RevocationTable(builder)
  }
}
