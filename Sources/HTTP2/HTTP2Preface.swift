/// What a client of HTTP/2 sends first (RFC 9113 section 3.4), for connections on which no ALPN has spoken.
package enum HTTP2Preface {
  private static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  /// Bytes of it.
  static var length: Int { text.utf8CodeUnitCount }

  /// Whether a connection that begins with `bytes` speaks HTTP/2; nil when more of them are needed to tell.
  package static func recognise(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool? {
    let count = min(bytes.count, text.utf8CodeUnitCount)
    for index in 0..<count where bytes[index] != text.utf8Start[index] { return false }
    return count == text.utf8CodeUnitCount ? true : nil
  }
}
