/// UTC times as RFC 3339 writes them, to the millisecond: `2026-11-22T22:58:04.123Z`. Keeps the text of the last second.
///
/// Computed here and not by `gmtime_r`, which takes a lock on the time zone in glibc.
package struct Timestamp: Sendable {
  /// Bytes of the text.
  package static let length = 24

  private var second = Int64.min
  /// `2026-11-22T22:58:04.`
  private var text: (UInt64, UInt64, UInt32) = (0, 0, 0)

  package init() {}

  /// Writes `length` bytes.
  /// - Parameter milliseconds: since 1970; times before year 0 and after 9999 are written as the nearest in between.
  package mutating func write(milliseconds: Int64, to target: UnsafeMutablePointer<UInt8>) {
    let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
    var now = clamped / 1000
    var fraction = clamped % 1000
    if fraction < 0 {
      fraction += 1000
      now -= 1
    }
    if now != second { format(now) }
    withUnsafeBytes(of: text) { UnsafeMutableRawPointer(target).copyMemory(from: $0.baseAddress!, byteCount: 20) }
    Self.digits(fraction, 3, target + 20)
    target[23] = 0x5a
  }

  private mutating func format(_ now: Int64) {
    second = now
    var days = now / 86_400
    var rest = now % 86_400
    if rest < 0 {
      rest += 86_400
      days -= 1
    }
    // Days since 0000-03-01, cut into eras of 400 years of which each has 146,097 days; years that begin in March
    // have their leap day at the end.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    withUnsafeMutableBytes(of: &text) { raw in
      let bytes = raw.baseAddress!.assumingMemoryBound(to: UInt8.self)
      Self.digits(year, 4, bytes)
      bytes[4] = 0x2d
      Self.digits(month, 2, bytes + 5)
      bytes[7] = 0x2d
      Self.digits(day, 2, bytes + 8)
      bytes[10] = 0x54
      Self.digits(rest / 3600, 2, bytes + 11)
      bytes[13] = 0x3a
      Self.digits(rest / 60 % 60, 2, bytes + 14)
      bytes[16] = 0x3a
      Self.digits(rest % 60, 2, bytes + 17)
      bytes[19] = 0x2e
    }
  }

  private static func digits(_ value: Int64, _ count: Int, _ target: UnsafeMutablePointer<UInt8>) {
    var rest = value
    var index = count
    while index > 0 {
      index &-= 1
      target[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }
}
