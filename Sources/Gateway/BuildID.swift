import Foundation

/// What the linker has called the executable (`.note.gnu.build-id`): the same for all copies of one build, stripped or not.
/// `readelf -n` and `file` say it as well.
enum BuildID {
  /// Nil when the file is no 64-bit ELF file, or has none.
  static func read(_ path: String = "/proc/self/exe") -> String? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? file.close() }
    let head = bytes(of: file, at: 0, 64)
    guard head.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]), let start = number(head, 32, 8), let size = number(head, 54, 2),
      let count = number(head, 56, 2)
    else { return nil }
    let table = bytes(of: file, at: start, size * count)
    for index in 0..<count {
      let row = index * size
      // PT_NOTE: where in the file, and how long.
      guard number(table, row, 4) == 4, let offset = number(table, row + 8, 8), let length = number(table, row + 32, 8) else {
        continue
      }
      if let found = find(in: bytes(of: file, at: offset, min(length, 65_536))) { return found }
    }
    return nil
  }

  /// The note NT_GNU_BUILD_ID among `notes`: sizes of name and content, a type, then both, each filled up to four bytes.
  static func find(in notes: [UInt8]) -> String? {
    var place = 0
    while let name = number(notes, place, 4), let content = number(notes, place + 4, 4), let type = number(notes, place + 8, 4) {
      let start = place + 12 + (name + 3) / 4 * 4
      guard start + content <= notes.count else { return nil }
      if type == 3, notes[(place + 12)..<start].starts(with: [0x47, 0x4e, 0x55, 0]) {
        return notes[start..<(start + content)].map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
      }
      place = start + (content + 3) / 4 * 4
    }
    return nil
  }

  private static func bytes(of file: FileHandle, at offset: Int, _ count: Int) -> [UInt8] {
    guard (try? file.seek(toOffset: UInt64(max(0, offset)))) != nil, let data = try? file.read(upToCount: max(0, count)) else {
      return []
    }
    return [UInt8](data)
  }

  /// A little-endian number of at most 48 bits, so that sums of a few cannot overflow; nil beyond the end.
  private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> Int? {
    guard place >= 0, place + count <= bytes.count else { return nil }
    let value = bytes[place..<(place + count)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return value < 1 << 48 ? Int(value) : nil
  }
}
