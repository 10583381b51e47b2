/// Why a text was refused, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  package enum Reason: String, Sendable {
    case tooLarge = "larger than allowed"
    case tooDeep = "nested too deeply"
    case unexpectedEnd = "ends too early"
    case unexpectedByte = "not JSON"
    case trailingBytes = "bytes after the value"
    case invalidUTF8 = "not UTF-8"
    case controlCharacter = "control character in a string"
    case nul = "NUL in a string"
    case invalidEscape = "bad escape"
    case loneSurrogate = "half of a surrogate pair"
    case duplicateMember = "member named twice"
    case numberOutOfRange = "number out of range"
  }

  package var reason: Reason
  /// Bytes from the start of the text.
  package var offset: Int

  package init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  package var description: String { "\(reason.rawValue) at byte \(offset)" }
}
