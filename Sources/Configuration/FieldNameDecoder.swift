import HTTP

/// Header names that the configuration gives to the gateway.
enum FieldNameDecoder {
  /// A token that is none of the fields the gateway itself reads, removes or sets, unless it is in `allowed`. Those that it removes
  /// because frameworks believe them may be the gateway's own.
  static func decode(_ cursor: Cursor, allowed: [FieldName] = []) -> String? {
    guard let (text, id) = name(cursor) else { return nil }
    guard [.other, .believed, .overriding].contains(id) || allowed.contains(id) else {
      cursor.report("`\(text)` has a meaning of its own in HTTP or for the gateway: write another name")
      return nil
    }
    return text
  }

  /// The names in a route's `forward`: of fields that would else be removed.
  ///
  /// - Parameters:
  ///   - own: names of the fields with internal tokens.
  ///   - tokens: names of the fields in which clients send tokens.
  static func forwarded(_ cursors: [Cursor], own: [String], tokens: [String]) -> [String] {
    var names: [String] = []
    for cursor in cursors {
      guard let (text, id) = name(cursor) else { continue }
      switch id {
      case .overriding, .believed, .xForwardedPort, .xForwardedPrefix, .xRealIP: break
      case .other where own.contains { isSame($0, text) }:
        cursor.report("`\(text)` is set by the gateway, which removes what clients send there: leave it out")
        continue
      case .other where tokens.contains { isSame($0, text) }:
        cursor.report("`\(text)` holds a client's token or API key, which is not forwarded by its name: leave it out")
        continue
      case .other:
        cursor.report("`\(text)` is forwarded without being named: leave it out")
        continue
      default:
        cursor.report("`\(text)` is for the gateway to set or to remove: leave it out")
        continue
      }
      if names.contains(where: { $0.lowercased() == text.lowercased() }) { cursor.report("`\(text)` is named twice") }
      names.append(text)
    }
    return names
  }

  /// Names as backends read them.
  static func isSame(_ left: String, _ right: String) -> Bool { FieldName.canonical(left.utf8) == FieldName.canonical(right.utf8) }

  private static func name(_ cursor: Cursor) -> (text: String, id: FieldName)? {
    guard let text = cursor.text() else { return nil }
    let bytes = Array(text.utf8)
    guard TokenByte.isToken(bytes.span) else {
      cursor.report("`\(text)` is no header name: write letters, digits and `-`")
      return nil
    }
    return (text, FieldName(recognising: bytes.span))
  }
}
