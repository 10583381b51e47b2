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
    // What almost every field says, by itself: 30 instructions instead of the 300 of reading a list.
    if addKnown(bytes.extracting(value.bounds)) { return true }
    var list = TokenList(value)
    while true {
      switch list.next(in: bytes) {
      case .end: return true
      case .malformed: return false
      case .token(let range):
        if !addKnown(bytes.extracting(range.bounds)) { namesFields = true }
      }
    }
  }

  private mutating func addKnown(_ option: Span<UInt8>) -> Bool {
    if option.equalsIgnoringCase("keep-alive") {
      keepAlive = true
    } else if option.equalsIgnoringCase("close") {
      close = true
    } else if option.equalsIgnoringCase("upgrade") {
      upgrade = true
    } else {
      return false
    }
    return true
  }
}
