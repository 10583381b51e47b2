import Foundation

/// Names and values of `application/x-www-form-urlencoded` text: a query or a form.
struct FormParameters {
  let pairs: [(name: String, value: String)]

  /// - Throws: `DevelopmentError` for a percent-escape that is none.
  init(_ text: String) throws {
    pairs = try text.split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (try Self.decode(parts[0]), parts.count == 2 ? try Self.decode(parts[1]) : "")
    }
  }

  private init(pairs: [(name: String, value: String)]) { self.pairs = pairs }

  static func + (left: Self, right: Self) -> Self { FormParameters(pairs: left.pairs + right.pairs) }

  private static func decode(_ text: Substring) throws -> String {
    guard let decoded = text.replacing("+", with: " ").removingPercentEncoding else {
      throw DevelopmentError("bad percent-encoding in \(text)")
    }
    return decoded
  }
}
