import Testing

@testable import Bytes

/// Every byte value, in every one of the eight places, beside neighbours that carries would come from and go to.
struct EightBytesTests {
  private static let neighbours: [UInt8] = [0x00, 0x2d, 0x41, 0x7f, 0x80, 0xff]

  /// Calls `body` with each word, and with the byte in `place` and the one of all other places.
  private func forEachWord(_ body: (_ word: UInt64, _ bytes: [UInt8]) -> Bool) -> Bool {
    for neighbour in Self.neighbours {
      for place in 0..<8 {
        for value in UInt8.min...UInt8.max {
          var bytes = [UInt8](repeating: neighbour, count: 8)
          bytes[place] = value
          if !body(word(bytes), bytes) { return false }
        }
      }
    }
    return true
  }

  private func word(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

  private func positions(_ bytes: [UInt8], where holds: (UInt8) -> Bool) -> UInt64 { word(bytes.map { holds($0) ? 0x80 : 0 }) }

  @Test("Eight bytes become lower case as one by one")
  func lower() {
    #expect(forEachWord { EightBytes.lower($0) == word($1.map(ASCII.lower)) })
  }

  @Test("A byte is found in the places where it is", arguments: [0x00, 0x2f, 0x3f, 0x80, 0xff] as [UInt8])
  func position(of wanted: UInt8) {
    #expect(forEachWord { EightBytes.positions(of: wanted, in: $0) == positions($1) { $0 == wanted } })
  }

  @Test("What is no letter, digit or hyphen is found in its places")
  func besidesName() {
    let names = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-".utf8)
    #expect(forEachWord { EightBytes.besidesName($0) == positions($1) { !names.contains($0) } })
  }

  @Test("Hexadecimal digits are those that the standard library writes")
  func hexadecimal() {
    for value in [0, 1, 9, 10, 0x0123_4567, 0x89ab_cdef, 0xa0a0_0a0a, 0x9a9a_a9a9, .max] as [UInt32] {
      let digits = String(value, radix: 16)
      #expect(EightBytes.hexadecimal(value) == word(Array((String(repeating: "0", count: 8 - digits.count) + digits).utf8)))
    }
  }

  @Test("The first position is a place, or eight when there is none")
  func first() {
    #expect(EightBytes.first(0x80) == 0)
    #expect(EightBytes.first(0x8080 << 40) == 5)
    #expect(EightBytes.first(0) == 8)
  }
}
