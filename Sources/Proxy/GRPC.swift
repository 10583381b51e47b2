import Bytes

/// What the gateway has to know of gRPC over HTTP/2: which requests are calls, how long they may take, and how a refusal is
/// said so that a gRPC client understands it.
package enum GRPC {
  static let contentType: StaticString = "application/grpc"

  /// `application/grpc`, alone or with a suffix: gRPC-Web, which is not gRPC to a client, begins with it as well.
  package static func isCall(contentType value: UnsafeBufferPointer<UInt8>) -> Bool {
    let count = contentType.utf8CodeUnitCount
    guard value.count >= count, ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: value[..<count]), contentType) else {
      return false
    }
    return value.count == count || value[count] == UInt8(ascii: "+") || value[count] == UInt8(ascii: ";")
  }

  /// The content types of gRPC-Web, whose clients are pages in browsers, over any version of HTTP.
  private static let webTypes: [StaticString] = [
    "application/grpc-web", "application/grpc-web+proto", "application/grpc-web+json", "application/grpc-web-text",
    "application/grpc-web-text+proto",
  ]

  /// The content type of a gRPC-Web call, without parameters: what its answer has. One with a suffix that is not known is answered as
  /// one without. Nil for what is no such call.
  package static func webType(_ value: Span<UInt8>) -> StaticString? {
    // Told apart from everything else by its first byte behind what all of gRPC begins with.
    let shortest = 20
    guard value.count >= shortest, value[16] == UInt8(ascii: "-") else { return nil }
    var end = value.count
    for index in 0..<value.count where value[index] == UInt8(ascii: ";") || value[index] == UInt8(ascii: " ") {
      end = index
      break
    }
    guard end >= shortest else { return nil }
    let type = value.extracting(0..<end)
    for known in webTypes where type.equalsIgnoringCase(known) { return known }
    guard type.extracting(0..<shortest).equalsIgnoringCase("application/grpc-web") else { return nil }
    return end > shortest && value[shortest] == UInt8(ascii: "+") ? webTypes[0] : nil
  }

  /// `grpc-timeout` in milliseconds, what is less than one rounded up: up to eight digits and a unit. Nil when it is none.
  package static func timeout(_ value: UnsafeBufferPointer<UInt8>) -> Int? {
    guard (2...9).contains(value.count) else { return nil }
    var number = 0
    for byte in value.dropLast() {
      guard byte &- 0x30 < 10 else { return nil }
      number = number * 10 + Int(byte - 0x30)
    }
    switch value[value.count - 1] {
    case UInt8(ascii: "H"): return number * 3_600_000
    case UInt8(ascii: "M"): return number * 60_000
    case UInt8(ascii: "S"): return number * 1_000
    case UInt8(ascii: "m"): return number
    case UInt8(ascii: "u"): return (number + 999) / 1_000
    case UInt8(ascii: "n"): return (number + 999_999) / 1_000_000
    default: return nil
    }
  }

  /// The gRPC status code of a refusal, as gRPC's own table has it for HTTP statuses, finer where a better code is plain.
  package static func status(_ error: GatewayError) -> UInt64 {
    switch error.status {
    case 401: 16  // UNAUTHENTICATED
    case 403: 7  // PERMISSION_DENIED
    case 404, 405: 12  // UNIMPLEMENTED
    case 413, 414, 431: 8  // RESOURCE_EXHAUSTED
    case 408, 504: 4  // DEADLINE_EXCEEDED
    case 421, 429, 502, 503: 14  // UNAVAILABLE
    default: 13  // INTERNAL
    }
  }

  /// Writes the head of a refusal that has a status of gRPC's and nothing else: trailers only, as gRPC says; with gRPC-Web its client looks
  /// for it among the fields.
  static func writeRefusal<Output: FieldOutput & ~Copyable>(
    _ error: GatewayError, type: StaticString, now: Int64, to out: inout Output
  ) {
    out.status(200)
    ResponseFields.date(now, to: &out)
    out.field("content-type", type)
    write(error, to: &out)
  }

  /// Writes `grpc-status` and `grpc-message`, whose text is the denial code and its title: printable ASCII without `%`, so that
  /// nothing has to be escaped.
  static func write<Output: FieldOutput & ~Copyable>(_ error: GatewayError, to out: inout Output) {
    out.field("grpc-status", decimal: status(error))
    out.field("grpc-message") { value in
      value.append(error.code)
      value.append(": ")
      value.append(error.title)
    }
  }
}
