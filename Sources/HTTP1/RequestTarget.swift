import Bytes
import HTTP

/// Reads the request target in its four forms (RFC 9112 section 3.2) into a head whose `target` and `method` are set.
///
/// The caller has seen that the target holds visible ASCII only.
enum RequestTarget {
  static func read(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadError? {
    let target = head.target.bounds
    guard let first = target.first else { return .badRequest }
    if head.method == .connect { return authorityForm(bytes, into: &head) }
    if bytes[first] == UInt8(ascii: "/") { return pathAndQuery(bytes, from: first, into: &head) }
    if bytes[first] == UInt8(ascii: "*"), target.count == 1 {
      guard head.method == .options else { return .badRequest }
      head.path = head.target
      return nil
    }
    return absoluteForm(bytes, into: &head)
  }

  private static func authorityForm(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadError? {
    guard let authority = Authority(bytes.extracting(head.target.bounds)) else { return .badHost }
    // Without a port nobody knows where the tunnel should lead.
    guard authority.port != nil else { return .badRequest }
    head.authority = head.target
    head.path = .empty
    return nil
  }

  private static func absoluteForm(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HeadError? {
    let target = head.target.bounds
    let text = bytes.extracting(target)
    let scheme: Int
    if text.count >= 7, text.extracting(0..<7).equalsIgnoringCase("http://") {
      scheme = 7
    } else if text.count >= 8, text.extracting(0..<8).equalsIgnoringCase("https://") {
      scheme = 8
    } else {
      return .badRequest
    }
    let start = target.lowerBound + scheme
    var end = start
    while end < target.upperBound, !endsAuthority(bytes[end]) { end += 1 }
    guard Authority(bytes.extracting(start..<end)) != nil else { return .badHost }
    head.authority = ByteRange(offset: start, count: end - start)
    if end < target.upperBound, bytes[end] == UInt8(ascii: "/") { return pathAndQuery(bytes, from: end, into: &head) }
    // `OPTIONS http://host` would have to become `OPTIONS *` (section 3.2.4), and `http://host` otherwise means `/`.
    // Refused in the first case; in the second the path is the slash that stands before the host.
    guard head.method != .options else { return .badRequest }
    let error = pathAndQuery(bytes, from: end, into: &head)
    head.path = ByteRange(offset: start - 1, count: 1)
    return error
  }

  private static func endsAuthority(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
  }

  private static func pathAndQuery(_ bytes: Span<UInt8>, from start: Int, into head: inout RequestHead) -> HeadError? {
    let end = head.target.end
    let pathEnd = ByteScan.first(UInt8(ascii: "?"), or: UInt8(ascii: "#"), of: bytes, from: start, to: end)
    head.path = ByteRange(offset: start, count: pathEnd &- start)
    guard pathEnd < end else { return nil }
    // In a query a `?` is nothing special (RFC 3986 section 3.4).
    guard bytes[pathEnd] == UInt8(ascii: "?"),
      ByteScan.first(UInt8(ascii: "#"), or: UInt8(ascii: "#"), of: bytes, from: pathEnd &+ 1, to: end) == end
    else { return .badPath }
    head.hasQuery = true
    head.query = ByteRange(offset: pathEnd &+ 1, count: end &- pathEnd &- 1)
    return nil
  }
}
