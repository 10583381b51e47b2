/// `${NAME}` and `${NAME:-default}` in a scalar. `$${` is a plain `${`; any other `$` is itself.
///
/// What is put in is text and nothing else: it is not looked through again, and no YAML can come in with it.
enum EnvironmentSubstitution {
  enum Failure: Error, Equatable {
    case unclosed
    case badName(String)
    case unset(String)

    var message: String {
      switch self {
      case .unclosed: "`${` is not closed: write `${NAME}`, or `$${` for a plain `${`"
      case .badName(let name):
        "`\(name)` is no name of an environment variable: write letters, digits and `_`, as in `${NAME}`"
      case .unset(let name):
        "the environment variable `\(name)` is not set: set it, or write `${\(name):-default}`"
      }
    }
  }

  static func apply(_ text: String, _ environment: [String: String]) throws(Failure) -> String {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
    var result = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        result += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${") {
        guard let close = rest.firstIndex(of: "}") else { throw .unclosed }
        result += try value(of: rest[..<close].dropFirst(2), environment)
        rest = rest[rest.index(after: close)...]
      } else {
        result += "$"
        rest = rest.dropFirst()
      }
    }
    return result + rest
  }

  /// As in a shell, `:-` also stands in for a variable that is set to nothing.
  private static func value(of expression: Substring, _ environment: [String: String]) throws(Failure) -> String {
    let name = String(expression.prefix { $0 != ":" })
    let tail = expression.dropFirst(name.count)
    guard let first = name.unicodeScalars.first, !(48...57).contains(first.value),
      name.unicodeScalars.allSatisfy({ $0 == "_" || $0.isASCII && $0.properties.isAlphabetic || (48...57).contains($0.value) }),
      tail.isEmpty || tail.hasPrefix(":-")
    else { throw .badName(String(expression)) }
    if let value = environment[name], tail.isEmpty || !value.isEmpty { return value }
    guard !tail.isEmpty else { throw .unset(name) }
    return String(tail.dropFirst(2))
  }
}
