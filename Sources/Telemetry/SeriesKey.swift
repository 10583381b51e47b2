/// A counter's family and its labels, as one word: the family in the top 6 bits, then 22, 20 and 16 bits of label.
///
/// A label that does not fit becomes the highest of its field: numbers of routes and backends end long before.
struct SeriesKey: Hashable, Sendable {
  enum Family: UInt64, Sendable {
    // From 1, so that no key is 0.
    case requests = 1
    case denied
    case handshakes
    case minted
    case upstream
    /// A gauge.
    case pending
    case pendingEnded
    case refusedConnections
  }

  let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  /// - Parameter a: a number of `MetricNames`, `none` included; stored one higher.
  @inline(__always)
  init(_ family: Family, _ a: Int, _ b: Int = 0, _ c: Int = 0) {
    let first = UInt64(clamping: a &+ 1)
    let second = UInt64(clamping: b)
    let third = UInt64(clamping: c)
    rawValue = family.rawValue << 58 | min(first, 0x3f_ffff) << 36 | min(second, 0xf_ffff) << 16 | min(third, 0xffff)
  }

  var family: Family? { Family(rawValue: rawValue >> 58) }
  var a: Int { Int(rawValue >> 36 & 0x3f_ffff) - 1 }
  var b: Int { Int(rawValue >> 16 & 0xf_ffff) }
  var c: Int { Int(rawValue & 0xffff) }
}
