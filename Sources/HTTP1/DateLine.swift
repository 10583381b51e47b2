import Bytes
import HTTP

/// The `Date` field line (RFC 9110 section 6.6.1), written anew only when the second has changed. One per worker.
package struct DateLine {
  private static let length = 6 + HTTPDate.length + 2

  private var second: Int64 = .min
  private var line = InlineArray<37, UInt8>(repeating: 0)

  package init() {}

  /// - Parameter now: seconds since 1970-01-01T00:00:00Z.
  package mutating func append(now: Int64, into queue: inout ByteQueue) {
    if now != second { rewrite(now) }
    line.span.withUnsafeBufferPointer { queue.append($0) }
  }

  private mutating func rewrite(_ now: Int64) {
    second = now
    withUnsafeMutableBytes(of: &line) { raw in
      let bytes = raw.bindMemory(to: UInt8.self)
      let name: StaticString = "Date: "
      for index in 0..<6 { bytes[index] = name.utf8Start[index] }
      HTTPDate.format(now, into: UnsafeMutableBufferPointer(rebasing: bytes[6..<(6 + HTTPDate.length)]))
      bytes[DateLine.length - 2] = 0x0d
      bytes[DateLine.length - 1] = 0x0a
    }
  }
}
