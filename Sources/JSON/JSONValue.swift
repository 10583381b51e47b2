import Bytes

/// A JSON text that was read in exactly one way.
///
/// Strings and member names are UTF-8 bytes, not `String`: `String` compares by canonical equivalence, so "é" written with one
/// scalar would equal "é" written with two, and a claim would match a rule that it does not spell. Bytes match or they don't.
package enum JSONValue: Sendable, Equatable {
  /// Members in the order they were written; no two have the same name.
  case object([JSONMember])
  case array([JSONValue])
  /// Valid UTF-8 without NUL.
  case string([UInt8])
  /// Written without fraction and exponent.
  case integer(Int64)
  /// Written with a fraction or an exponent; finite, |value| <= 2^63.
  case number(Double)
  case boolean(Bool)
  case null
}

/// A name and its value.
package struct JSONMember: Sendable, Equatable {
  package var name: [UInt8]
  package var value: JSONValue

  package init(name: [UInt8], value: JSONValue) {
    self.name = name
    self.value = value
  }

  package init(_ name: String, _ value: JSONValue) {
    self.name = Array(name.utf8)
    self.value = value
  }

  /// Byte for byte.
  package func isNamed(_ other: Span<UInt8>) -> Bool { name.span.equals(other) }
}

extension JSONValue: ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self = .string(Array(text.utf8)) }

  package init(text: String) { self = .string(Array(text.utf8)) }
}

extension JSONValue {
  /// The members, when this is an object.
  package var members: [JSONMember]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements, when this is an array.
  package var elements: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The bytes, when this is a string.
  package var bytes: [UInt8]? {
    if case .string(let bytes) = self { bytes } else { nil }
  }

  /// The text, when this is a string: for people and for tests. Rules compare `bytes`.
  package var text: String? {
    if case .string(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
  }

  /// The number in whole units when this is a number: a fraction is rounded towards negative infinity, as a NumericDate
  /// (RFC 7519 section 2) that stands inside a second is read. Nil when it does not fit.
  package var flooredInteger: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int64(exactly: value.rounded(.down))
    default: nil
    }
  }

  /// The member called exactly `name`; nil when there is none or this is no object.
  package func member(_ name: Span<UInt8>) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    for member in members where member.isNamed(name) { return member.value }
    return nil
  }

  package func member(_ name: String) -> JSONValue? { member(Array(name.utf8).span) }

  package func member(_ name: StaticString) -> JSONValue? { member(name.bytes) }

  /// What a claim path such as `realm_access.roles` names.
  ///
  /// Names may hold dots themselves (`https://example.com/roles`), so at each object the longest part of the path, cut at a
  /// dot or at the end, that is a member is taken, and the rest is looked up inside it. There is no second try: a path names
  /// one place or none.
  package func value(at path: [UInt8]) -> JSONValue? { value(at: path.span) }

  private func value(at path: Span<UInt8>) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    var end = path.count
    while true {
      let name = path.extracting(..<end)
      for member in members where member.isNamed(name) {
        return end == path.count ? member.value : member.value.value(at: path.extracting((end + 1)...))
      }
      guard let dot = name.lastIndex(of: 0x2e) else { return nil }
      end = dot
    }
  }

  package func value(at path: String) -> JSONValue? { value(at: Array(path.utf8)) }
}
