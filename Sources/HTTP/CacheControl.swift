/// What a response says of how long it may be used (RFC 9111 section 5.2.2), for those who ask again anyway.
package enum CacheControl {
  /// Seconds of freshness: 0 for `no-store` and `no-cache`, else `max-age`; nil when nothing is said, or nothing that can be read.
  package static func freshness(_ value: [UInt8]) -> UInt64? {
    var result: UInt64?
    for part in value.split(separator: 0x2c) {
      let directive = part.drop { $0 == 0x20 || $0 == 0x09 }.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
      if directive.starts(with: "no-store".utf8) || directive.starts(with: "no-cache".utf8) { return 0 }
      guard directive.starts(with: "max-age=".utf8) else { continue }
      let digits = directive.dropFirst(8).prefix { $0 &- 0x30 < 10 }
      guard !digits.isEmpty else { continue }
      // More than ten digits is more than anybody waits.
      result = digits.count > 10 ? 1 << 31 : digits.reduce(0) { $0 * 10 + UInt64($1 - 0x30) }
    }
    return result
  }
}
