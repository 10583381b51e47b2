/// Follows one direction of a WebSocket from frame to frame (RFC 6455 section 5.2), without looking into any: all the gateway
/// wants to know is where a frame of its own may stand.
package struct WebSocketFrames {
  private enum Place {
    /// So many bytes of the head have been seen.
    case head(seen: Int)
    /// So many bytes of masking key and payload are to come.
    case rest(UInt64)
  }

  private var place = Place.head(seen: 0)
  private var length: UInt64 = 0
  /// Bytes that the head has in all, as far as is known: 2, 4 or 10, the masking key not counted.
  private var headLength = 2
  private var isMasked = false
  /// A Close frame has passed: no other frame may follow (RFC 6455 section 5.5.1).
  package private(set) var hasClosed = false

  package init() {}

  /// Whether the last byte seen was the last of a frame, or none was seen yet.
  package var isAtBoundary: Bool {
    if case .head(seen: 0) = place { true } else { false }
  }

  /// Follows `bytes` up to their end, or to the first end of a frame when `untilBoundary`.
  ///
  /// - Returns: how many bytes were followed.
  @discardableResult
  package mutating func follow(_ bytes: Span<UInt8>, untilBoundary: Bool = false) -> Int {
    var index = 0
    while index < bytes.count {
      switch place {
      case .head(let seen):
        readHead(bytes[index], seen)
        index += 1
      case .rest(let rest):
        let step = UInt64(bytes.count - index) < rest ? UInt64(bytes.count - index) : rest
        index += Int(step)
        place = step == rest ? .head(seen: 0) : .rest(rest - step)
      }
      if untilBoundary, isAtBoundary { return index }
    }
    return index
  }

  private mutating func readHead(_ byte: UInt8, _ seen: Int) {
    switch seen {
    case 0:
      if byte & 0x0f == 0x8 { hasClosed = true }
      headLength = 2
      length = 0
    case 1:
      isMasked = byte & 0x80 != 0
      switch byte & 0x7f {
      case 126: headLength = 4
      case 127: headLength = 10
      case let short: length = UInt64(short)
      }
    default:
      length = length << 8 | UInt64(byte)
    }
    guard seen + 1 == headLength else {
      place = .head(seen: seen + 1)
      return
    }
    // The highest bit has to be zero; a frame that sets it is broken and has no end that anybody lives to see.
    let (rest, overflow) = length.addingReportingOverflow(isMasked ? 4 : 0)
    place = overflow ? .rest(.max) : rest == 0 ? .head(seen: 0) : .rest(rest)
  }
}
