import JSON

/// A scalar that a rule compares claims with: `"5"` is the string `"5"` and the integer 5, `"true"` the string and the boolean.
package struct ClaimValue: Sendable, Hashable {
  package let text: [UInt8]
  private let integer: Int64?
  private let boolean: Bool?

  package init(_ text: String) {
    self.text = Array(text.utf8)
    // Only the one spelling that JSON has for an integer: not `+5`, not `05`.
    integer = Int64(text).flatMap { String($0) == text ? $0 : nil }
    boolean = text == "true" ? true : text == "false" ? false : nil
  }

  /// Whether the claim is this scalar; nil when it is of a type that scalars are not compared with (an object, an array,
  /// a number with a fraction).
  package func equals(_ claim: JSONValue) -> Bool? {
    switch claim {
    case .string(let bytes): bytes == text
    case .integer(let value): value == integer
    case .boolean(let value): value == boolean
    case .null: false
    case .object, .array, .number: nil
    }
  }
}
