/// Where frames begin and end in what a peer sends (RFC 9113 section 4.1), however it is cut.
package struct FrameCursor {
  static let headerLength = 9

  /// Bytes up to the next frame's header: of the preface, or of a frame that was cut.
  private var rest: Int
  /// Of a header that was cut: how many of its bytes have come, and the length as far as they say it.
  private var headerSeen = 0
  private var length = 0

  /// - Parameter preface: bytes that come before the first frame.
  package init(preface: Int) {
    rest = preface
  }

  /// Goes on from `index` to the end of the next HEADERS frame that is all in `bytes`, with a whole field section in it.
  ///
  /// - Returns: the frame with its header; nil when there is none any more: then `index` is the end of `bytes`, and the next
  ///   call is to be for what comes behind them.
  package mutating func nextHeaders(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Range<Int>? {
    while index < bytes.count {
      if rest > 0 {
        let step = min(rest, bytes.count &- index)
        rest &-= step
        index &+= step
      } else if headerSeen == 0, bytes.count &- index >= Self.headerLength {
        let start = index
        let payload = Int(bytes[start]) << 16 | Int(bytes[start &+ 1]) << 8 | Int(bytes[start &+ 2])
        let end = start &+ Self.headerLength &+ payload
        if end > bytes.count {
          rest = end &- bytes.count
          index = bytes.count
        } else {
          index = end
          if bytes[start &+ 3] == FrameType.headers, bytes[start &+ 4] & FrameType.endHeaders != 0 { return start..<end }
        }
      } else {
        cutHeader(bytes[index])
        index &+= 1
      }
    }
    return nil
  }

  private mutating func cutHeader(_ byte: UInt8) {
    if headerSeen < 3 { length = length << 8 | Int(byte) }
    headerSeen &+= 1
    guard headerSeen == Self.headerLength else { return }
    rest = length
    length = 0
    headerSeen = 0
  }
}
