import HTTP

/// Header names that the configuration gives to the gateway.
enum FieldNameDecoder {
  /// A token that is none of the fields the gateway itself reads, removes or sets, unless it is in `allowed`.
  static func decode(_ cursor: Cursor, allowed: [FieldName] = []) -> String? {
    guard let text = cursor.text() else { return nil }
    let bytes = Array(text.utf8)
    guard TokenByte.isToken(bytes.span) else {
      cursor.report("`\(text)` is no header name: write letters, digits and `-`")
      return nil
    }
    let id = FieldName(recognising: bytes.span)
    guard id == .other || allowed.contains(id) else {
      cursor.report("`\(text)` has a meaning of its own in HTTP or for the gateway: write another name")
      return nil
    }
    return text
  }
}
