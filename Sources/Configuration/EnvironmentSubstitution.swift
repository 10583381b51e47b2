/// `${NAME}` and `${NAME:-default}` in a scalar; a default may have others in it, `${NAME:-${OTHER:-default}}`. `$${` is a plain `${`;
/// any other `$` is itself.
///
/// What the environment puts in is text and nothing else: it is not looked through again, and no YAML can come in with it.
enum EnvironmentSubstitution {
  enum Failure: Error, Equatable {
    case unclosed
    case badName(String)
    case unset(String)
    case tooDeep

    var message: String {
      switch self {
      case .unclosed: "`${` is not closed: write `${NAME}`, or `$${` for a plain `${`"
      case .badName(let name):
        "`\(name)` is no name of an environment variable: write letters, digits and `_`, as in `${NAME}`"
      case .tooDeep: "defaults are nested deeper than \(EnvironmentSubstitution.maximumDepth): write fewer"
      case .unset(let name):
        "the environment variable `\(name)` is not set: set it, or write `${\(name):-default}`"
      }
    }
  }

  static let maximumDepth = 8

  static func apply(_ text: String, _ environment: [String: String]) throws(Failure) -> String {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    return try apply(text[...], environment, depth: 0)
  }

  private static func apply(_ text: Substring, _ environment: [String: String], depth: Int) throws(Failure) -> String {
    var result = ""
    var rest = text
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        result += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${") {
        guard let close = closing(of: rest) else { throw .unclosed }
        result += try value(of: rest[..<close].dropFirst(2), environment, depth: depth + 1)
        rest = rest[rest.index(after: close)...]
      } else {
        result += "$"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }

  /// The brace that closes the `${` at the front of `text`: a default may have others in it.
  private static func closing(of text: Substring) -> Substring.Index? {
    var open = 0
    var index = text.startIndex
    while index < text.endIndex {
      let rest = text[index...]
      if rest.hasPrefix("$${") {
        index = text.index(index, offsetBy: 3)
        continue
      }
      if rest.hasPrefix("${") { open += 1 }
      if text[index] == "}" {
        open -= 1
        if open == 0 { return index }
      }
      index = text.index(after: index)
    }
    return nil
  }

  /// As in a shell, `:-` also stands in for a variable that is set to nothing.
  private static func value(of expression: Substring, _ environment: [String: String], depth: Int) throws(Failure) -> String {
    guard depth <= maximumDepth else { throw .tooDeep }
    let name = String(expression.prefix { $0 != ":" })
    let tail = expression.dropFirst(name.count)
    guard let first = name.unicodeScalars.first, !(48...57).contains(first.value),
      name.unicodeScalars.allSatisfy({ $0 == "_" || $0.isASCII && $0.properties.isAlphabetic || (48...57).contains($0.value) }),
      tail.isEmpty || tail.hasPrefix(":-")
    else { throw .badName(String(expression)) }
    if let value = environment[name], tail.isEmpty || !value.isEmpty { return value }
    guard !tail.isEmpty else { throw .unset(name) }
    return try apply(tail.dropFirst(2), environment, depth: depth)
  }
}
