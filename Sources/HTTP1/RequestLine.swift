import Bytes
import HTTP

/// Reads `method SP request-target SP HTTP-version` (RFC 9112 section 3): one space between each, nothing around.
enum RequestLine {
  /// - Parameter line: the line without its CRLF.
  static func read(_ line: Range<Int>, of bytes: Span<UInt8>, uriBytes: Int, into head: inout RequestHead) -> HeadError? {
    var index = line.lowerBound
    while index < line.upperBound, TokenByte.contains(bytes[index]) { index &+= 1 }
    guard index > line.lowerBound, index < line.upperBound, bytes[index] == 0x20 else { return .badRequest }
    head.methodRange = ByteRange(offset: line.lowerBound, count: index &- line.lowerBound)
    let method = bytes.extracting(line.lowerBound..<index)
    head.method = HTTPMethod(token: method)
    if case .other = head.method, HTTPMethod.isMisspelt(method) { return .badRequest }

    let start = index &+ 1
    let end = ByteScan.firstUnusual(bytes, from: start, to: line.upperBound, lowest: 0x21)
    guard end < line.upperBound, bytes[end] == 0x20 else { return .badRequest }
    head.target = ByteRange(offset: start, count: end &- start)

    if let error = HTTPVersion.read(bytes.extracting((end &+ 1)..<line.upperBound), into: &head.minorVersion) { return error }
    guard end &- start <= uriBytes else { return .uriTooLong }
    return RequestTarget.read(bytes, into: &head)
  }
}
