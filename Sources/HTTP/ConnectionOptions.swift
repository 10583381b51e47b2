import Bytes

/// What the `Connection` fields of a head ask for (RFC 9110 section 7.6.1).
package struct ConnectionOptions: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let close = ConnectionOptions(rawValue: 1)
  package static let keepAlive = ConnectionOptions(rawValue: 2)
  package static let upgrade = ConnectionOptions(rawValue: 4)
  /// Something else: the name of a field that is meant for this hop only.
  package static let fieldNames = ConnectionOptions(rawValue: 8)

  /// The options in one field value; nil when it is no list of tokens.
  package static func read(_ value: ByteRange, in bytes: Span<UInt8>) -> ConnectionOptions? {
    var options: ConnectionOptions = []
    var list = TokenList(value)
    while true {
      switch list.next(in: bytes) {
      case .end: return options
      case .malformed: return nil
      case .token(let range):
        let token = bytes.extracting(range.bounds)
        if token.equalsIgnoringCase("keep-alive") {
          options.insert(.keepAlive)
        } else if token.equalsIgnoringCase("close") {
          options.insert(.close)
        } else if token.equalsIgnoringCase("upgrade") {
          options.insert(.upgrade)
        } else {
          options.insert(.fieldNames)
        }
      }
    }
  }
}
