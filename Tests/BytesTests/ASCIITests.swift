import Bytes
import Testing

struct ASCIITests {
  @Test func `Only the letters A to Z have a lower case`() {
    for byte in UInt8.min...UInt8.max {
      let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
      #expect(ASCII.lower(byte) == (isUpper ? byte + 32 : byte))
    }
  }

  @Test func `The token table holds exactly the tchars of RFC 9110`() {
    let tchars = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    #expect(ASCII.token.count == 256)
    for byte in UInt8.min...UInt8.max {
      #expect(ASCII.token[Int(byte)] == (tchars.contains(byte) ? ASCII.lower(byte) : 0), "byte \(byte)")
    }
  }

  @Test(arguments: [
    ("bearer", true, true), ("Bearer", true, false), ("BEARER", true, false), ("beare", false, false), ("bearerx", false, false),
    ("", false, false), ("bEArEz", false, false), ("\u{02}earer", false, false),
  ])
  func `Comparing ignores case or does not, and never ignores length`(text: String, ignoring: Bool, exactly: Bool) {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      #expect(ASCII.equalIgnoringCase(bytes, "bearer") == ignoring)
      #expect(ASCII.equal(bytes, "bearer") == exactly)
    }
  }

  @Test func `Bytes that differ from a letter only in the case bit are not that letter`() {
    // `@` and `` ` ``, `[` and `{`: bit 5 apart, and no letters.
    [0x40, 0x5b].withUnsafeBufferPointer { #expect(!ASCII.equalIgnoringCase($0, "`{")) }
  }

  @Test func `Empty equals empty`() {
    let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    #expect(ASCII.equal(nothing, ""))
    #expect(ASCII.equalIgnoringCase(nothing, ""))
  }
}
