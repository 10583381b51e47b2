import Bytes

/// Writes access-log lines: one JSON object and one line feed a request, nothing else whatever came in. One a worker.
package struct AccessLog: Sendable {
  private var timestamp = Timestamp()

  package init() {}

  /// Appends one line. Allocates nothing while `queue` has room.
  package mutating func append(_ line: borrowing AccessLogLine, to queue: inout ByteQueue) {
    queue.append("{\"time\":\"")
    queue.append(timestamp.write(milliseconds: line.time).span)
    queue.append(0x22)
    Self.text(",\"request_id\":", line.requestID, &queue)
    Self.text(",\"trace_id\":", line.traceID, &queue)
    Self.text(",\"client_ip\":", line.clientIP, &queue)
    Self.text(",\"client_identity\":", line.clientIdentity, &queue)
    Self.word(",\"protocol\":", line.httpProtocol, &queue)
    Self.word(",\"tls\":", line.tls, &queue)
    Self.text(",\"method\":", line.method, &queue)
    Self.text(",\"host\":", line.host, &queue)
    Self.text(",\"path\":", line.path, &queue)
    Self.text(",\"route\":", line.route, &queue)
    Self.number(",\"status\":", line.status.map(UInt64.init), &queue)
    Self.text(",\"code\":", line.code, &queue)
    Self.text(",\"issuer\":", line.issuer, &queue)
    Self.text(",\"sub\":", line.subject, &queue)
    Self.text(",\"backend\":", line.backend, &queue)
    Self.text(",\"endpoint\":", line.endpoint, &queue)
    Self.text(",\"upstream_identity\":", line.upstreamIdentity, &queue)
    Self.word(",\"token\":", line.token.text, &queue)
    Self.number(",\"bytes_in\":", line.bytesIn, &queue)
    Self.number(",\"bytes_out\":", line.bytesOut, &queue)
    Self.milliseconds(",\"duration_ms\":", line.duration, &queue)
    Self.milliseconds(",\"upstream_ms\":", line.upstreamDuration, &queue)
    Self.milliseconds(",\"upstream_wait_ms\":", line.upstreamWait, &queue)
    queue.append("}\n")
  }

  private static func text(_ name: StaticString, _ value: AccessLogLine.Text, _ queue: inout ByteQueue) {
    queue.append(name)
    if value.isEmpty {
      queue.append("null")
    } else {
      JSONText.appendQuoted(value, to: &queue)
    }
  }

  /// A word of ours, which needs no escaping.
  private static func word(_ name: StaticString, _ value: StaticString, _ queue: inout ByteQueue) {
    queue.append(name)
    if value.utf8CodeUnitCount == 0 {
      queue.append("null")
    } else {
      queue.append(0x22)
      queue.append(value)
      queue.append(0x22)
    }
  }

  private static func number(_ name: StaticString, _ value: UInt64?, _ queue: inout ByteQueue) {
    queue.append(name)
    if let value { queue.append(decimal: value) } else { queue.append("null") }
  }

  /// Nanoseconds as milliseconds with three decimals, cut off and not rounded.
  private static func milliseconds(_ name: StaticString, _ value: UInt64?, _ queue: inout ByteQueue) {
    queue.append(name)
    guard let value else { return queue.append("null") }
    let microseconds = value / 1000
    queue.append(decimal: microseconds / 1000)
    queue.append(0x2e)
    let fraction = microseconds % 1000
    queue.append(0x30 &+ UInt8(truncatingIfNeeded: fraction / 100))
    queue.append(0x30 &+ UInt8(truncatingIfNeeded: fraction / 10 % 10))
    queue.append(0x30 &+ UInt8(truncatingIfNeeded: fraction % 10))
  }
}
