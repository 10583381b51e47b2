import Yams

/// One file's YAML, read strictly: a single document, no key twice, aliases bounded.
enum YAMLDocument {
  /// - Returns: nil for an empty file, and after an error that is reported.
  static func parse(_ source: ConfigurationSource, _ collector: DiagnosticCollector) -> Node? {
    let start = SourceLocation(file: source.name, line: 1, column: 1)
    guard source.bytes.count <= ConfigurationSource.maximumBytes else {
      collector.report(start, "the file is larger than \(Quantity.describe(bytes: ConfigurationSource.maximumBytes))")
      return nil
    }
    // Editors on Windows begin a file with a byte order mark, which is no part of what it says.
    let bytes = source.bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(source.bytes.dropFirst(3)) : source.bytes
    guard let text = String(validating: bytes, as: UTF8.self) else {
      collector.report(start, "the file is not UTF-8")
      return nil
    }
    guard !multipliesKeys(bytes) else {
      collector.report(start, "aliases and keys that are no plain names do not go together: write the keys out")
      return nil
    }
    do {
      // A value is what its key wants it to be, so none is resolved to a type. The default rules would try seven regular
      // expressions on each key: half the time that reading 10,000 routes took.
      return try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
    } catch let error as YamlError {
      let (line, column, message) = describe(error, text)
      collector.report(SourceLocation(file: source.name, line: line, column: column), message)
    } catch {
      collector.report(start, "the file is no YAML")
    }
    return nil
  }

  private static func describe(_ error: YamlError, _ text: String) -> (line: Int, column: Int, message: String) {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
      let context = context.map { "\($0.text.trimmingSpaces) at line \($0.mark.line), " } ?? ""
      let hint = text.hasTab(at: mark) ? ": indent with spaces, not tabs" : ""
      return (mark.line, mark.column, "YAML: \(context)\(problem)\(hint)")
    case .composer(_, let problem, let mark, _):
      let isSecond = problem.contains("another document")
      return (mark.line, mark.column, "YAML: \(isSecond ? "a file holds one document: leave `---` out" : problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { "`\($0)`" }.joined(separator: ", ")
      let verb = keys.count == 1 ? "is" : "are"
      return (context.mark.line, context.mark.column, "\(names) \(verb) written twice in one mapping: keep one")
    case .reader(let problem, let offset, _, _):
      guard let offset, offset >= 0, offset <= text.utf8.count else { return (1, 1, "YAML: \(problem)") }
      let before = text.utf8.prefix(offset)
      let line = before.count { $0 == 0x0a } + 1
      let column = before.reversed().prefix { $0 != 0x0a }.count { $0 & 0xc0 != 0x80 } + 1
      return (line, column, "YAML: \(problem)")
    default:
      return (1, 1, "the file is no YAML")
    }
  }

  /// Whether the text has more than a few aliases and, besides, keys that are no scalars. The parser hashes every key to find
  /// duplicates, and hashing a key made of aliases to aliases would take for ever.
  private static func multipliesKeys(_ bytes: [UInt8]) -> Bool {
    var aliases = 0
    var hasComplexKey = false
    for index in bytes.indices {
      switch bytes[index] {
      case UInt8(ascii: "*") where beginsToken(bytes, index) && isAnchorByte(byte(bytes, index + 1)):
        aliases += 1
        let end = bytes[(index + 1)...].firstIndex { !isAnchorByte($0) } ?? bytes.endIndex
        hasComplexKey = hasComplexKey || isFollowedByColon(bytes, end)
      case UInt8(ascii: "?") where beginsToken(bytes, index) && " \t\r\n[{*&".utf8.contains(byte(bytes, index + 1)):
        hasComplexKey = true
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        hasComplexKey = hasComplexKey || isFollowedByColon(bytes, index + 1)
      default: break
      }
      if aliases > 7, hasComplexKey { return true }
    }
    return false
  }

  /// The byte there; beyond either end, a line's end.
  private static func byte(_ bytes: [UInt8], _ index: Int) -> UInt8 { bytes.indices.contains(index) ? bytes[index] : 0x0a }

  private static func beginsToken(_ bytes: [UInt8], _ index: Int) -> Bool {
    " \t\r\n[]{},:-?".utf8.contains(byte(bytes, index - 1))
  }

  private static func isAnchorByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2d || byte == 0x5f
  }

  private static func isFollowedByColon(_ bytes: [UInt8], _ start: Int) -> Bool {
    bytes[start...].first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d && $0 != 0x0a } == UInt8(ascii: ":")
  }
}

extension String {
  fileprivate var trimmingSpaces: Substring {
    let text = drop { $0 == " " }
    return text.prefix(text.count - text.reversed().prefix { $0 == " " }.count)
  }

  /// Whether the line of `mark` is indented with a tab.
  fileprivate func hasTab(at mark: Mark) -> Bool {
    let lines = split(separator: "\n", maxSplits: mark.line, omittingEmptySubsequences: false)
    guard mark.line >= 1, mark.line <= lines.count else { return false }
    return lines[mark.line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
  }
}
