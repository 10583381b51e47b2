import Bytes

/// The name-value pairs of a `Cookie` field (RFC 6265 section 4.2.1), one after the other, as they stand.
package struct CookieCrumbs {
  package struct Crumb {
    /// The pair as written, white space around it left out.
    package var pair: ByteRange
    package var name: ByteRange
    /// Without surrounding double quotes.
    package var value: ByteRange

    package func hasName(_ expected: [UInt8], _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
      guard name.length == expected.count else { return false }
      for index in 0..<expected.count where bytes[name.start + index] != expected[index] { return false }
      return true
    }
  }

  private var position: Int
  private let end: Int

  package init(_ value: ByteRange) {
    position = value.start
    end = value.end
  }

  package mutating func next(_ bytes: UnsafeBufferPointer<UInt8>) -> Crumb? {
    while position < end, Self.separates(bytes[position]) { position += 1 }
    guard position < end else { return nil }
    let start = position
    while position < end, bytes[position] != 0x3b { position += 1 }
    var stop = position
    while stop > start, Self.separates(bytes[stop - 1]) { stop -= 1 }
    var equals = start
    while equals < stop, bytes[equals] != 0x3d { equals += 1 }
    var first = equals < stop ? equals + 1 : stop
    var last = stop
    if last - first >= 2, bytes[first] == 0x22, bytes[last - 1] == 0x22 {
      first += 1
      last -= 1
    }
    return Crumb(
      pair: ByteRange(offset: start, count: stop - start), name: ByteRange(offset: start, count: equals - start),
      value: ByteRange(offset: first, count: last - first))
  }

  private static func separates(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x3b }
}
