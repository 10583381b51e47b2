/// Where frames begin and end in what a peer sends (RFC 9113 section 4.1), however it is cut.
package struct FrameCursor {
  static let headerLength = 9

  /// Bytes up to the next frame's header: of the preface, or of a frame that was cut.
  private var rest: Int
  /// Of a header that was cut: how many of its bytes have come, and what they say.
  private var headerSeen = 0
  private var length = 0
  private var type: UInt8 = 0
  private var flags: UInt8 = 0
  private var stream: UInt32 = 0
  /// `rest` is content.
  private var restIsContent = false
  /// A field section goes on in the next frame.
  private var isInsideSection = false
  /// Counts frames, those of one field section as one.
  private var begun: UInt32 = 0

  /// - Parameter preface: bytes that come before the first frame.
  package init(preface: Int) {
    rest = preface
  }

  /// What is to become of a DATA frame.
  package enum Content {
    case passes
    /// The reading ends before it.
    case stray
    /// It has to be looked at when all that comes before it has been read.
    case suspicious
  }

  /// Goes on from `index` to the end of the next HEADERS frame that is all in `bytes`, with a whole field section in it, or to that of a
  /// suspicious DATA frame.
  ///
  /// - Parameter judge: asked for each DATA frame, with its stream and its flags; those of a frame whose header was cut are 0.
  /// - Returns: the frame with its header, as far as it is there; nil when there is none any more: then `index` is the end of `bytes`, or where the reading
  ///   ended, and the next call is to be for what comes behind them.
  @inline(__always)
  package mutating func nextHeaders(
    _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, judge: (Int32, UInt8) -> Content
  ) -> Range<Int>? {
    while index < bytes.count {
      if rest > 0 {
        let step = min(rest, bytes.count &- index)
        rest &-= step
        index &+= step
      } else if headerSeen == 0, bytes.count &- index >= Self.headerLength {
        let start = index
        frameBegins()
        let payload = Int(bytes[start]) << 16 | Int(bytes[start &+ 1]) << 8 | Int(bytes[start &+ 2])
        let end = start &+ Self.headerLength &+ payload
        let type = bytes[start &+ 3]
        note(type, bytes[start &+ 4])
        var content = Content.passes
        if type == FrameType.data {
          content = judge(
            Self.stream(bytes[start &+ 5], bytes[start &+ 6], bytes[start &+ 7], bytes[start &+ 8]), bytes[start &+ 4])
          if case .stray = content { return nil }
        }
        if end > bytes.count {
          rest = end &- bytes.count
          restIsContent = type == FrameType.data
          index = bytes.count
        } else {
          index = end
          if type == FrameType.headers, !isInsideSection { return start..<end }
        }
        if case .suspicious = content { return start..<index }
      } else {
        cutHeader(bytes[index])
        if headerSeen == 0, type == FrameType.data, case .stray = judge(Self.id(stream), 0) { return nil }
        index &+= 1
      }
    }
    return nil
  }

  /// What has begun to come and is not content, if it is not whole yet: the preface, a frame, or a field section in several frames. The
  /// same number as long as it is the same.
  package var unfinished: UInt32? {
    headerSeen > 0 || isInsideSection || (rest > 0 && !restIsContent) ? begun : nil
  }

  private mutating func frameBegins() {
    if !isInsideSection { begun &+= 1 }
  }

  /// The last four bytes of a frame's header.
  static func stream(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) -> Int32 {
    let high = UInt32(first) << 24 | UInt32(second) << 16
    return id(high | UInt32(third) << 8 | UInt32(fourth))
  }

  /// Without the reserved bit.
  private static func id(_ word: UInt32) -> Int32 { Int32(truncatingIfNeeded: word & 0x7fff_ffff) }

  private mutating func note(_ type: UInt8, _ flags: UInt8) {
    if type == FrameType.headers || type == FrameType.continuation { isInsideSection = flags & FrameType.endHeaders == 0 }
  }

  private mutating func cutHeader(_ byte: UInt8) {
    switch headerSeen {
    case 0:
      frameBegins()
      length = Int(byte)
    case 1, 2: length = length << 8 | Int(byte)
    case 3: type = byte
    case 4: flags = byte
    default: stream = stream << 8 | UInt32(byte)
    }
    headerSeen &+= 1
    guard headerSeen == Self.headerLength else { return }
    note(type, flags)
    rest = length
    restIsContent = type == FrameType.data
    length = 0
    headerSeen = 0
  }
}
