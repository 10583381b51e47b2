import Bytes

/// IMF-fixdate, the form of date that HTTP sends (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
  /// Bytes of a date.
  package static let length = 29
  /// 9999-12-31T23:59:59Z; the form has room for four digits of year.
  private static let last: Int64 = 253_402_300_799

  /// - Parameter seconds: since 1970-01-01T00:00:00Z; before that counts as that, past the year 9999 as its last second.
  package static func format(_ seconds: Int64) -> InlineArray<29, UInt8> {
    var output = InlineArray<29, UInt8>(repeating: 0)
    let clamped = min(max(seconds, 0), last)
    let days = Int(clamped / 86_400)
    let second = Int(clamped % 86_400)
    let (year, month, day) = civil(days)
    var position = 0

    func put(_ text: StaticString, _ index: Int, _ width: Int) {
      let text = text.bytes
      for offset in 0..<width {
        output[position] = text[index * width + offset]
        position += 1
      }
    }
    func put(_ value: Int, digits: Int, then separator: UInt8) {
      var rest = value
      for offset in stride(from: digits - 1, through: 0, by: -1) {
        output[position + offset] = 0x30 + UInt8(rest % 10)
        rest /= 10
      }
      output[position + digits] = separator
      position += digits + 1
    }

    put("Thu, Fri, Sat, Sun, Mon, Tue, Wed, ", days % 7, 5)
    put(day, digits: 2, then: 0x20)
    put("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ", month - 1, 4)
    put(year, digits: 4, then: 0x20)
    put(second / 3600, digits: 2, then: UInt8(ascii: ":"))
    put(second / 60 % 60, digits: 2, then: UInt8(ascii: ":"))
    put(second % 60, digits: 2, then: 0x20)
    put("GMT", 0, 3)
    return output
  }

  /// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01. The year is counted from 1 March,
  /// so that the leap day is its last and months have a regular length.
  private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468  // Days since 0000-03-01.
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}
