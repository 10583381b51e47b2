/// A second in UTC as people write it (RFC 3339): `2026-11-25T03:00:00Z`.
///
/// Computed here: Foundation's formatters would load the whole of ICU, and 8 MiB with it.
package enum UTCTime {
  /// Seconds since 1970; nil when the text is no such time, or before 1970.
  package static func parse(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    let separators: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "Z")]
    guard bytes.count == 20, separators.allSatisfy({ bytes[$0.0] == $0.1.asciiValue }) else { return nil }
    func number(_ range: Range<Int>) -> Int64? {
      let digits = bytes[range]
      guard digits.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
      return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
      let minute = number(14..<16), let second = number(17..<19), year >= 1970, (1...12).contains(month), hour < 24, minute < 60,
      second < 60, day >= 1, day <= days(in: month, year)
    else { return nil }
    return days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
  }

  /// - Parameter seconds: since 1970; times before that, and after the year 9999, are written as the nearest in between.
  package static func text(_ seconds: Int64) -> String {
    let seconds = min(max(seconds, 0), 253_402_300_799)
    var year = 1970 + seconds / 86_400 / 366
    while days(year + 1, 1, 1) <= seconds / 86_400 { year += 1 }
    var month: Int64 = 1
    while month < 12, days(year, month + 1, 1) <= seconds / 86_400 { month += 1 }
    let day = seconds / 86_400 - days(year, month, 1) + 1
    func padded(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let time = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map(padded).joined(separator: ":")
    return "\(year)-\(padded(month))-\(padded(day))T\(time)Z"
  }

  private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  private static func days(in month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days from 1970-01-01 to this one.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let before = year - 1
    let leapDays = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400)
    return (year - 1970) * 365 + leapDays + (1..<month).reduce(0) { $0 + days(in: $1, year) } + day - 1
  }
}
