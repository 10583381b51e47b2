/// Durations and sizes as operators write them.
package enum Quantity {
  private static let durationUnits: [(suffix: String, factor: Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
  private static let sizeUnits: [(suffix: String, factor: Int)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]

  /// Milliseconds of `250ms`, `30s`, `10m`, `24h`. Nil for anything else, a bare number included.
  static func milliseconds(_ text: String) -> Int? {
    let digits = text.prefix(while: isDigit)
    let suffix = text.dropFirst(digits.count)
    guard let unit = durationUnits.first(where: { $0.suffix == suffix }) else { return nil }
    return multiply(digits, unit.factor)
  }

  /// Bytes of `16KiB`, `1MiB`, `1GiB` or a bare number.
  static func bytes(_ text: String) -> Int? {
    let digits = text.prefix(while: isDigit)
    let suffix = text.dropFirst(digits.count)
    if suffix.isEmpty { return multiply(digits, 1) }
    guard let unit = sizeUnits.first(where: { $0.suffix == suffix }) else { return nil }
    return multiply(digits, unit.factor)
  }

  /// Bytes a second of `1KiB/s`.
  static func bytesPerSecond(_ text: String) -> Int? { text.hasSuffix("/s") ? bytes(String(text.dropLast(2))) : nil }

  /// The duration again, in the largest unit that leaves no fraction.
  package static func describe(milliseconds: Int) -> String {
    if milliseconds == 0 { return "0s" }
    let unit = durationUnits.last { milliseconds % $0.factor == 0 && milliseconds >= $0.factor } ?? durationUnits[0]
    return "\(milliseconds / unit.factor)\(unit.suffix)"
  }

  /// The size again, in the largest unit that leaves no fraction.
  static func describe(bytes: Int) -> String {
    guard let unit = sizeUnits.last(where: { bytes % $0.factor == 0 && bytes >= $0.factor }) else { return "\(bytes)" }
    return "\(bytes / unit.factor)\(unit.suffix)"
  }

  private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

  private static func multiply(_ digits: Substring, _ factor: Int) -> Int? {
    guard let number = Int(digits) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}
