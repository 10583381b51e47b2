/// Frame types (RFC 9113 section 6) and flags that are looked at.
enum FrameType {
  static let data: UInt8 = 0x0
  static let headers: UInt8 = 0x1
  static let priority: UInt8 = 0x2
  static let resetStream: UInt8 = 0x3
  static let settings: UInt8 = 0x4
  static let pushPromise: UInt8 = 0x5
  static let ping: UInt8 = 0x6
  static let goAway: UInt8 = 0x7
  static let windowUpdate: UInt8 = 0x8
  static let continuation: UInt8 = 0x9
  /// All others: PRIORITY_UPDATE, ALTSVC, ORIGIN, and those that nobody knows.
  static let extensions: ClosedRange<UInt8> = 0xa...0xff

  /// DATA and HEADERS.
  static let endStream: UInt8 = 0x1
  /// HEADERS and CONTINUATION.
  static let endHeaders: UInt8 = 0x4
  /// DATA and HEADERS.
  static let padded: UInt8 = 0x8
  /// HEADERS.
  static let hasPriority: UInt8 = 0x20
  /// SETTINGS and PING.
  static let acknowledgement: UInt8 = 0x1
}
