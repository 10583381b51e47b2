/// Why a connection could not be opened or did not stay, in words fit for a log.
package struct RedisFailure: Error, Equatable, Sendable, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }

  /// Its name has no address.
  static let nowhere = RedisFailure("connect: the server's name does not resolve")

  /// What the other side said, which may be anything: printable ASCII of it, at most 200 bytes.
  static func quoting(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    String(decoding: bytes.prefix(200).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }

  static func quoting(_ text: UnsafePointer<CChar>) -> String {
    var length = 0
    while length < 200, text[length] != 0 { length += 1 }
    return text.withMemoryRebound(to: UInt8.self, capacity: length) { quoting(UnsafeBufferPointer(start: $0, count: length)) }
  }
}
