import Bytes
import HTTP
import HTTP1
import Proxy
import Routing
import Testing
import Tokens

/// Bytes that stay where they are for as long as the test holds them.
final class HeldBytes {
  let buffer: UnsafeBufferPointer<UInt8>

  init(_ text: String) {
    let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
    _ = copy.initialize(from: text.utf8)
    buffer = UnsafeBufferPointer(copy)
  }

  deinit { buffer.deallocate() }

  func text(_ range: ByteRange) -> String { String(decoding: buffer[range.start..<range.end], as: UTF8.self) }
}

enum TestHead {
  /// Parses `text`, a whole request head, and hands it to `body`.
  static func withRequest<Result>(
    _ text: String, _ body: (borrowing RequestHead, HeldBytes) throws -> Result
  ) throws -> Result {
    let bytes = HeldBytes(text)
    var parser = RequestParser(limits: HeadLimits())
    var head = RequestHead(fieldCapacity: 64)
    let progress = parser.parse(bytes.buffer.span, into: &head)
    try #require(progress == .complete, "\(text)")
    return try body(head, bytes)
  }

  /// A GET with `fields`, each a line without its end.
  static func withFields<Result>(
    _ fields: [String], _ body: (borrowing RequestHead, HeldBytes) throws -> Result
  ) throws -> Result {
    let lines = (["Host: api.example.com"] + fields).map { $0 + "\r\n" }.joined()
    return try withRequest("GET / HTTP/1.1\r\n\(lines)\r\n", body)
  }

  static func withResponse<Result>(
    _ text: String, _ body: (borrowing ResponseHead, HeldBytes) throws -> Result
  ) throws -> Result {
    let bytes = HeldBytes(text)
    var parser = ResponseParser(limits: HeadLimits())
    var head = ResponseHead(fieldCapacity: 64)
    let progress = parser.parse(bytes.buffer.span, into: &head, requestMethod: .get)
    try #require(progress == .complete, "\(text)")
    return try body(head, bytes)
  }
}

extension Route {
  /// A route for tests, with what they vary.
  static func make(
    sources: [TokenSource] = [.bearer], removed: [TokenSource]? = nil, backends: [(index: Int, weight: Int)] = [(0, 1)],
    forwardsAccessToken: Bool = false, forward: [String] = []
  ) -> Route {
    Route(
      name: "r", index: 0, metricID: 0,
      access: RouteAccess(
        index: 0, providers: ProviderSet([0]), places: sources.map { TokenPlace($0, providers: [0]) },
        removedSources: removed ?? sources,
        removedNames: TokenSource.fieldNames(removed ?? sources)),
      backends: sharing(backends), stripPrefix: [], timeout: 0, bodyMaximum: 1 << 20, forwardsAccessToken: forwardsAccessToken,
      forwardedFields: forward.map { Array($0.lowercased().utf8) })
  }
}
