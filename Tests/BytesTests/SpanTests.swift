import Bytes
import Testing

/// `#expect` takes no expression with a span in it: what lends it would have to be copied.
private func expect(_ condition: Bool, at place: SourceLocation = #_sourceLocation) {
  #expect(condition, sourceLocation: place)
}

struct SpanTests {
  @Test func `Bytes are equal when all of them are, at every length and place`() {
    for count in 0..<40 {
      let bytes = (0..<count).map { UInt8($0) }
      let same = bytes
      expect(bytes.span.equals(same.span))
      for index in bytes.indices {
        var other = bytes
        other[index] ^= 0x80
        expect(!bytes.span.equals(other.span))
      }
      let longer = bytes + [0]
      expect(!bytes.span.equals(longer.span))
    }
  }

  @Test(arguments: ["", "a", "abc", "abcd", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmnop", "abcdefghijklmnopq"])
  func `A text of the program's own is compared as far as it goes`(text: String) {
    let literals: [String: StaticString] = [
      "": "", "a": "a", "abc": "abc", "abcd": "abcd", "abcdefg": "abcdefg", "abcdefgh": "abcdefgh", "abcdefghi": "abcdefghi",
      "abcdefghijklmnop": "abcdefghijklmnop", "abcdefghijklmnopq": "abcdefghijklmnopq",
    ]
    let literal = literals[text]!
    let bytes = Array(text.utf8)
    expect([UInt8](literal.bytes) == bytes)
    expect(bytes.span.equals(literal))
    let upper = bytes.map { $0 & ~0x20 }
    expect(upper.span.equalsIgnoringCase(literal))
    let longer = bytes + [0x41]
    expect(longer.span.starts(with: literal))
    expect(!longer.span.equals(literal))
    for index in bytes.indices {
      var other = bytes
      other[index] = 0x7a
      expect(!other.span.equals(literal))
      expect(!other.span.equalsIgnoringCase(literal))
      expect(!other.span.starts(with: literal))
    }
  }

  @Test func `Bytes are found from the front and from the back`() {
    let bytes = Array("a.b.c".utf8)
    expect(bytes.span.firstIndex(of: 0x2e) == 1)
    expect(bytes.span.lastIndex(of: 0x2e) == 3)
    expect(bytes.span.firstIndex(of: 0x2f) == nil)
    expect(bytes.span.lastIndex(of: 0x2f) == nil)
    expect(Span<UInt8>().firstIndex(of: 0x2e) == nil)
  }

  @Test(arguments: [(" \ta b\t ", "a b"), ("", ""), (" \t", ""), ("a", "a")])
  func `Spaces and tabs are cut off at both ends`(text: String, expected: String) {
    let bytes = Array(text.utf8)
    expect(String(decoding: bytes.span.trimmed) == expected)
  }

  @Test func `Words are read and written in the order of their bytes`() {
    var bytes = [UInt8](repeating: 0, count: 17)
    var span = bytes.mutableSpan
    span.store(0x0807_0605_0403_0201 as UInt64, at: 0)
    span.store(0x0c0b_0a09 as UInt32, at: 8)
    span.store([13, 14, 15, 16, 17].span, at: 12)
    expect(bytes == Array(1...17))
    expect(bytes.span.word(at: 9) == 0x1110_0f0e_0d0c_0b0a)
  }

  @Test func `Nothing outside is read or written`() async {
    await #expect(processExitsWith: .failure) { _ = [UInt8](repeating: 0, count: 8).span.word(at: 1) }
    await #expect(processExitsWith: .failure) { _ = [UInt8](repeating: 0, count: 7).span.word(at: 0) }
    await #expect(processExitsWith: .failure) { _ = [UInt8](repeating: 0, count: 8).span.word(at: -1) }
    await #expect(processExitsWith: .failure) {
      var bytes = [UInt8](repeating: 0, count: 8)
      var span = bytes.mutableSpan
      span.store(0 as UInt32, at: 5)
    }
    await #expect(processExitsWith: .failure) {
      var bytes = [UInt8](repeating: 0, count: 8)
      var span = bytes.mutableSpan
      span.store([1, 2].span, at: 7)
    }
  }

  @Test func `A queue lends what is in it, and takes what is lent`() {
    var queue = ByteQueue()
    expect(queue.span.isEmpty)
    queue.append("abc")
    queue.append(Array("de".utf8).span, Array("fg".utf8).span)
    queue.append(lowering: Array("HIJ".utf8).span)
    queue.append(count: 3) { $0[1] = 0x6c }
    queue.consume(1)
    expect([UInt8](queue.span) == Array("bcdefghij\0l\0".utf8))
  }

  @Test func `A list holds as many as it was made for`() async {
    var list = FixedList<UInt32>(capacity: 3)
    expect(list.append(1) && list.append(2) && list.append(3))
    expect(!list.append(4))
    expect((0..<list.count).map { list[$0] } == [1, 2, 3])
    list.removeAll()
    expect(list.count == 0 && list.append(5) && list[0] == 5)
    var none = FixedList<UInt32>(capacity: 0)
    expect(!none.append(1))
    await #expect(processExitsWith: .failure) {
      var list = FixedList<UInt32>(capacity: 3)
      _ = list.append(1)
      _ = list[1]
    }
  }
}

struct ByteScanTests {
  @Test func `A byte is found where it stands, and not from the end on`() {
    for count in 0..<40 {
      for place in 0..<count {
        var bytes = [UInt8](repeating: 0x61, count: count)
        bytes[place] = 0x0a
        for end in 0...count {
          for start in 0...end {
            let isInside = start <= place && place < end
            expect(ByteScan.lineFeed(bytes.span, from: start, to: end) == (isInside ? place : nil))
            expect(ByteScan.first(0x0a, or: 0x0d, of: bytes.span, from: start, to: end) == (isInside ? place : end))
            expect(ByteScan.firstUnusual(bytes.span, from: start, to: end) == (isInside ? place : end))
            expect(NameScan.firstOther(bytes.span, from: start, to: end) == (isInside ? place : end))
          }
        }
      }
    }
  }

  @Test func `A long value is looked through to its end`() {
    for place in 60..<300 {
      var bytes = [UInt8](repeating: 0x61, count: 300)
      for byte: UInt8 in [0, 0x1f, 0x7f, 0x80, 0xff] {
        bytes[place] = byte
        expect(ByteScan.firstUnusual(bytes.span, from: 0, to: 300) == place)
        expect(ByteScan.firstUnusual(bytes.span, from: 0, to: place) == place)
      }
    }
  }

  @Test func `What JSON escapes is found, and nothing else`() {
    for byte in UInt8.min...UInt8.max {
      let isFound = byte < 0x20 || byte > 0x7e || byte == 0x22 || byte == 0x5c
      for count in 1..<20 {
        for place in 0..<count {
          var bytes = [UInt8](repeating: 0x61, count: count)
          bytes[place] = byte
          expect(ByteScan.firstEscaped(bytes.span, from: 0) == (isFound ? place : count))
          expect(ByteScan.firstEscaped(bytes.span, from: place + 1) == count)
        }
      }
    }
  }

  @Test func `Ends beyond the bytes are refused`() async {
    await #expect(processExitsWith: .failure) { _ = ByteScan.lineFeed([1].span, from: 0, to: 2) }
    await #expect(processExitsWith: .failure) { _ = ByteScan.firstUnusual([1].span, from: 0, to: 2) }
    await #expect(processExitsWith: .failure) { _ = NameScan.firstOther([1].span, from: -1, to: 1) }
  }
}
