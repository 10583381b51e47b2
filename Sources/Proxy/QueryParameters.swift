import Bytes
import HTTP

/// The parameters of a query, `name=value` between `&`: the token among them, and the query without it.
///
/// Names are compared as a backend would read them, escapes decoded: a parameter that the gateway leaves in must not be one that
/// the backend takes for the token.
package struct QueryParameters {
  private var position: Int
  private let end: Int
  private var isOver: Bool

  private struct Parameter {
    /// As it stands, `name=value`.
    var pair: ByteRange
    var name: ByteRange
    var value: ByteRange
  }

  private init(_ query: ByteRange) {
    position = query.start
    end = query.end
    isOver = query.isEmpty
  }

  /// A parameter that is there twice is ambiguous.
  static func search(_ name: [UInt8], _ query: ByteRange, _ bytes: UnsafeBufferPointer<UInt8>) -> TokenFinding {
    var result = TokenFinding.missing
    var parameters = QueryParameters(query)
    while let parameter = parameters.next(bytes) {
      guard isNamed(parameter.name, name, bytes) else { continue }
      guard case .missing = result else { return .ambiguous }
      result = .found(parameter.value)
    }
    return result
  }

  /// Appends the query's other parameters, as they stand.
  package static func copy(
    _ query: ByteRange, _ bytes: UnsafeBufferPointer<UInt8>, without names: [[UInt8]], to out: inout ByteQueue
  ) {
    var parameters = QueryParameters(query)
    while let parameter = parameters.next(bytes) {
      if names.contains(where: { isNamed(parameter.name, $0, bytes) }) { continue }
      if !out.isEmpty { out.append(bytes[parameter.pair.start - 1]) }
      out.append(UnsafeBufferPointer(rebasing: bytes[parameter.pair.bounds]))
    }
  }

  private mutating func next(_ bytes: UnsafeBufferPointer<UInt8>) -> Parameter? {
    guard !isOver else { return nil }
    let start = position
    var equals: Int?
    // Some backends split at `;` as well (HTML 4 asked for it): what stands behind one may be the token to them.
    while position < end, bytes[position] != UInt8(ascii: "&"), bytes[position] != UInt8(ascii: ";") {
      if equals == nil, bytes[position] == UInt8(ascii: "=") { equals = position }
      position += 1
    }
    let stop = position
    isOver = position >= end
    position += 1
    let name = ByteRange(offset: start, count: (equals ?? stop) - start)
    let value = equals.map { ByteRange(offset: $0 + 1, count: stop - $0 - 1) } ?? ByteRange(offset: stop, count: 0)
    return Parameter(pair: ByteRange(offset: start, count: stop - start), name: name, value: value)
  }

  private static func isNamed(_ range: ByteRange, _ name: [UInt8], _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = range.start
    for expected in name {
      guard index < range.end else { return false }
      var byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "%"), index + 2 <= range.end, let high = hexadecimal(bytes[index]), let low = hexadecimal(bytes[index + 1]) {
        byte = high << 4 | low
        index += 2
      }
      guard byte == expected else { return false }
    }
    return index == range.end
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    if byte &- 0x30 < 10 { return byte &- 0x30 }
    let letter = (byte | 0x20) &- 0x61
    return letter < 6 ? letter + 10 : nil
  }
}
