import Bytes

/// A place in a distributed trace (W3C Trace Context): read from the client's `traceparent` or begun here, and sent on with a new
/// span id, the gateway's.
package struct TraceContext: Equatable, Sendable {
  /// Bytes of a version 00 `traceparent`.
  package static let length = 55
  /// Bytes of a trace id in hexadecimal.
  package static let traceIDLength = 32

  package let traceHigh: UInt64
  package let traceLow: UInt64
  package let spanID: UInt64
  package let isSampled: Bool
  /// Whether the trace began at the client. `tracestate` belongs to its `traceparent`: it is passed on only if this is true.
  package let isContinued: Bool

  /// The trace of a request: the client's when `header` is a valid `traceparent`, else a new one.
  ///
  /// A new trace is marked as sampled. Samplers that follow their parent, which is what OpenTelemetry's do unless told
  /// otherwise, would record nothing at all behind a gateway that says `00`; who wants less sets a ratio in the tracing system.
  /// - Parameter header: the one `traceparent` field; nil when there is none, or several.
  package init(continuing header: Span<UInt8>?, random: inout RandomGenerator) {
    if let header, let parent = TraceContext(parsing: header) {
      self.init(
        traceHigh: parent.traceHigh, traceLow: parent.traceLow, spanID: Self.nonZero(&random), isSampled: parent.isSampled,
        isContinued: true)
    } else {
      self.init(
        traceHigh: Self.nonZero(&random), traceLow: random.next(), spanID: Self.nonZero(&random), isSampled: true,
        isContinued: false)
    }
  }

  /// Reads a `traceparent` (section 3.2.2): lower-case hexadecimal only, neither id all zero, version `ff` refused. A version
  /// above `00` is read as far as `00` goes, and what follows has to begin with `-`.
  package init?(parsing header: Span<UInt8>) {
    guard header.count >= Self.length, header[2] == 0x2d, header[35] == 0x2d, header[52] == 0x2d,
      let version = Hexadecimal.read(header, at: 0, digits: 2), version != 0xff,
      let high = Hexadecimal.read(header, at: 3, digits: 16), let low = Hexadecimal.read(header, at: 19, digits: 16),
      high | low != 0,
      let span = Hexadecimal.read(header, at: 36, digits: 16), span != 0,
      let flags = Hexadecimal.read(header, at: 53, digits: 2)
    else { return nil }
    if header.count > Self.length && (version == 0 || header[Self.length] != 0x2d) { return nil }
    self.init(traceHigh: high, traceLow: low, spanID: span, isSampled: flags & 1 == 1, isContinued: true)
  }

  private init(traceHigh: UInt64, traceLow: UInt64, spanID: UInt64, isSampled: Bool, isContinued: Bool) {
    self.traceHigh = traceHigh
    self.traceLow = traceLow
    self.spanID = spanID
    self.isSampled = isSampled
    self.isContinued = isContinued
  }

  /// Writes the `traceparent`, version 00: `length` bytes. Flags other than `sampled` are not passed on (section 3.2.2.5).
  package func write(to target: inout MutableSpan<UInt8>) {
    precondition(target.count >= Self.length)
    target[0] = 0x30
    target[1] = 0x30
    target[2] = 0x2d
    Hexadecimal.write(traceHigh, to: &target, at: 3)
    Hexadecimal.write(traceLow, to: &target, at: 19)
    target[35] = 0x2d
    Hexadecimal.write(spanID, to: &target, at: 36)
    target[52] = 0x2d
    target[53] = 0x30
    target[54] = isSampled ? 0x31 : 0x30
  }

  private static func nonZero(_ random: inout RandomGenerator) -> UInt64 {
    let value = random.next()
    return value == 0 ? 1 : value
  }
}
