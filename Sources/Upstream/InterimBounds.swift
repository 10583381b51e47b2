/// What one exchange may have of interim responses (RFC 9110 section 15.2). They come before everything that flow control counts,
/// as many as the backend likes, and HPACK makes a large one out of a few bytes: so they are counted, as large as they are decoded.
struct InterimBounds {
  static let count = 8
  static let bytes = 32 << 10

  private var countSeen = 0
  private var bytesSeen = 0
  /// One 100 is asked for, and is none of those that come unasked.
  private var expectsContinue: Bool

  init(expectsContinue: Bool = false) { self.expectsContinue = expectsContinue }

  /// - Parameter bytes: of the head, decoded.
  /// - Returns: false when that was one too many, or too much.
  mutating func allow(_ status: UInt16, _ bytes: Int) -> Bool {
    if status == 100, expectsContinue { expectsContinue = false } else { countSeen &+= 1 }
    bytesSeen = min(bytesSeen, Self.bytes) &+ min(bytes, Self.bytes &+ 1)
    return countSeen <= Self.count && bytesSeen <= Self.bytes
  }
}
