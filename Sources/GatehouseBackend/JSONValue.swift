/// A JSON value (RFC 8259) that can be read in one way only: no object in it has two members of the same name.
///
/// Names and strings are compared byte by byte. Swift's own `==` of strings holds "é" in one scalar equal to "é" in two, and the
/// kelvin sign equal to "K": two texts that a gateway tells apart must not be the same one here.
public enum JSONValue: Sendable {
  /// Members in the order they were written.
  case object([Member])
  case array([JSONValue])
  /// Without NUL.
  case string(String)
  /// Written without fraction and exponent.
  case integer(Int64)
  /// Written with a fraction or an exponent; finite, at most 2^63 in magnitude.
  case number(Double)
  case boolean(Bool)
  case null

  public struct Member: Sendable, Equatable {
    public let name: String
    public let value: JSONValue

    public init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }

    public static func == (left: Member, right: Member) -> Bool { left.name.isSame(as: right.name) && left.value == right.value }
  }

  /// The member called exactly `name`; nil when there is none or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name.isSame(as: name) }?.value
  }

  /// The text, when this is a string.
  public var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The number, when this is one without fraction and exponent.
  public var integer: Int64? {
    if case .integer(let value) = self { value } else { nil }
  }

  public var boolean: Bool? {
    if case .boolean(let value) = self { value } else { nil }
  }

  /// The elements, when this is an array.
  public var array: [JSONValue]? {
    if case .array(let elements) = self { elements } else { nil }
  }

  /// The members, when this is an object.
  public var object: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The elements, when this is an array of nothing but strings.
  public var strings: [String]? {
    guard let elements = array else { return nil }
    let texts = elements.compactMap(\.string)
    return texts.count == elements.count ? texts : nil
  }

  /// A NumericDate (RFC 7519 section 2) in whole seconds since 1970, a fraction dropped towards the past.
  var seconds: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int64(exactly: value.rounded(.down))
    default: nil
    }
  }
}

extension JSONValue: Equatable {
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.object(let left), .object(let right)): left == right
    case (.array(let left), .array(let right)): left == right
    case (.string(let left), .string(let right)): left.isSame(as: right)
    case (.integer(let left), .integer(let right)): left == right
    case (.number(let left), .number(let right)): left == right
    case (.boolean(let left), .boolean(let right)): left == right
    case (.null, .null): true
    default: false
    }
  }
}

extension String {
  /// Whether both are the same bytes.
  func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
