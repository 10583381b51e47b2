import Bytes

/// What the `Connection` fields of a head ask for (RFC 9110 section 7.6.1).
package struct ConnectionOptions: Equatable, Sendable {
  package private(set) var close = false
  package private(set) var keepAlive = false
  package private(set) var upgrade = false
  /// Something else: the name of a field that is meant for this hop only.
  package private(set) var namesFields = false

  package init() {}

  /// Adds what one `Connection` field asks for.
  ///
  /// - Returns: false when it is no list of tokens: the head is malformed.
  package mutating func add(_ value: ByteRange, in bytes: Span<UInt8>) -> Bool {
    var list = TokenList(value)
    while true {
      switch list.next(in: bytes) {
      case .end: return true
      case .malformed: return false
      case .token(let range):
        let token = bytes.extracting(range.bounds)
        if token.equalsIgnoringCase("keep-alive") {
          keepAlive = true
        } else if token.equalsIgnoringCase("close") {
          close = true
        } else if token.equalsIgnoringCase("upgrade") {
          upgrade = true
        } else {
          namesFields = true
        }
      }
    }
  }
}
