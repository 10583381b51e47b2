import Bytes
import HTTP

/// One line of a field section (RFC 9112 section 5): `name ":" OWS value OWS CRLF`, or the empty line that ends it.
enum FieldLine {
  case field(HeaderField, next: Int)
  case end(next: Int)
  /// The bytes end before the line does.
  case incomplete
  /// Folded, no name, a name that is no token, white space before the colon, a control byte, a line end that is not CRLF.
  case malformed

  /// Reads the line at `start` in one pass, looking at no byte from `end` on.
  ///
  /// `incomplete` promises that there is no LF in it; a malformed line may be cut off as well.
  @inline(__always)
  static func read(_ bytes: Span<UInt8>, at start: Int, to end: Int) -> FieldLine {
    var index = NameScan.firstOther(bytes, from: start, to: end)
    while index < end, bytes[index] != UInt8(ascii: ":") {
      guard TokenByte.contains(bytes[index]) else { return index == start ? emptyLine(bytes, at: start, to: end) : .malformed }
      index = NameScan.firstOther(bytes, from: index &+ 1, to: end)
    }
    guard index < end else { return .incomplete }
    let name = start..<index
    guard !name.isEmpty else { return .malformed }
    index &+= 1
    while index < end, bytes[index] == 0x20 || bytes[index] == 0x09 { index &+= 1 }
    let valueStart = index
    var valueEnd = ByteScan.firstUnusual(bytes, from: index, to: end)
    while valueEnd < end, bytes[valueEnd] == 0x09 || bytes[valueEnd] >= 0x80 {
      valueEnd = ByteScan.firstUnusual(bytes, from: valueEnd &+ 1, to: end)
    }
    guard valueEnd < end else { return .incomplete }
    guard bytes[valueEnd] == 0x0d else { return .malformed }
    guard valueEnd &+ 1 < end else { return .incomplete }
    guard bytes[valueEnd &+ 1] == 0x0a else { return .malformed }
    let next = valueEnd &+ 2
    while valueEnd > valueStart, bytes[valueEnd &- 1] == 0x20 || bytes[valueEnd &- 1] == 0x09 { valueEnd &-= 1 }
    let field = HeaderField(
      name: ByteRange(offset: name.lowerBound, count: name.count),
      value: ByteRange(offset: valueStart, count: valueEnd &- valueStart),
      id: FieldName(recognising: bytes.extracting(name)))
    return .field(field, next: next)
  }

  private static func emptyLine(_ bytes: Span<UInt8>, at start: Int, to end: Int) -> FieldLine {
    guard bytes[start] == 0x0d else { return .malformed }
    guard start &+ 1 < end else { return .incomplete }
    return bytes[start &+ 1] == 0x0a ? .end(next: start &+ 2) : .malformed
  }
}
