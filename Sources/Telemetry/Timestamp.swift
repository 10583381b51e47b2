/// UTC times as RFC 3339 writes them, to the millisecond: `2026-11-22T22:58:04.123Z`. Keeps the text of the last second.
///
/// Computed here and not by `gmtime_r`, which takes a lock on the time zone in glibc.
package struct Timestamp: Sendable {
  /// Bytes of the text.
  package static let length = 24

  private var second = Int64.min
  /// `2026-11-22T22:58:04.` and room for the rest.
  private var text = InlineArray<24, UInt8>(repeating: 0)

  package init() {}

  /// The text: `length` bytes.
  /// - Parameter milliseconds: since 1970; times before year 0 and after 9999 are written as the nearest in between.
  package mutating func write(milliseconds: Int64) -> InlineArray<24, UInt8> {
    let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
    var now = clamped / 1000
    var fraction = clamped % 1000
    if fraction < 0 {
      fraction += 1000
      now -= 1
    }
    if now != second { format(now) }
    write(fraction, digits: 3, at: 20)
    text[23] = 0x5a
    return text
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
    write(year, digits: 4, at: 0)
    text[4] = 0x2d
    write(month, digits: 2, at: 5)
    text[7] = 0x2d
    write(day, digits: 2, at: 8)
    text[10] = 0x54
    write(rest / 3600, digits: 2, at: 11)
    text[13] = 0x3a
    write(rest / 60 % 60, digits: 2, at: 14)
    text[16] = 0x3a
    write(rest % 60, digits: 2, at: 17)
    text[19] = 0x2e
  }

  @inline(__always)
  private mutating func write(_ value: Int64, digits count: Int, at start: Int) {
    var rest = value
    var index = count
    while index > 0 {
      index &-= 1
      text[start &+ index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }
}
