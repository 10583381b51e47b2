import Yams

/// A value in a file, with what is needed to read it and to say where it stands.
///
/// Each reader returns nil after it has reported what is wrong and what to write; decoding then goes on beside it.
struct Cursor {
  /// What all values of one file share.
  final class File {
    let source: ConfigurationSource
    let environment: [String: String]
    let collector: DiagnosticCollector

    init(_ source: ConfigurationSource, _ environment: [String: String], _ collector: DiagnosticCollector) {
      self.source = source
      self.environment = environment
      self.collector = collector
    }
  }

  let node: Node
  let file: File

  init(_ node: Node, _ file: File) {
    self.node = node
    self.file = file
  }

  var location: SourceLocation {
    SourceLocation(file: file.source.name, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
  }

  func report(_ message: String) { file.collector.report(location, message) }

  // MARK: - Structure

  /// The mapping's values by key. Keys that are not in `known` are reported, those in `later` as not supported yet.
  func mapping(_ known: [String], later: [String] = []) -> Mapping? {
    guard file.collector.spend(at: location) else { return nil }
    guard case .mapping(let mapping) = node else {
      let keys = known.prefix(3).map { "\($0): …" }.joined(separator: ", ")
      report("expected a mapping, such as `{ \(keys) }`")
      return nil
    }
    var values: [String: Cursor] = [:]
    var misspelt: Set<String> = []
    var hasLater = false
    for (key, value) in mapping {
      guard file.collector.spend(at: location) else { return nil }
      let place = Cursor(key, file)
      guard case .scalar(let scalar) = key else {
        place.report("a key is a plain name")
        continue
      }
      let name = scalar.string
      if known.contains(name) {
        values[name] = Cursor(value, file)
      } else if later.contains(name) {
        hasLater = true
        place.report("`\(name)` is not supported by this version yet: leave it out")
      } else if name == "<<" {
        place.report("merge keys (`<<`) are not supported: write the keys out")
      } else {
        place.report("unknown key `\(name)`: \(NearestName.hint(for: name, among: known))")
        if let nearest = NearestName.find(name, among: known) { misspelt.insert(nearest) }
      }
    }
    return Mapping(owner: self, values: values, misspelt: misspelt, hasLater: hasLater)
  }

  /// A mapping whose keys are the operator's own: names of headers or claims.
  func entries(_ example: String, maximum: Int = ListBounds.each) -> [(key: Located<String>, value: Cursor)]? {
    guard file.collector.spend(at: location) else { return nil }
    guard case .mapping(let mapping) = node else {
      report("expected a mapping, such as `{ \(example) }`")
      return nil
    }
    guard mapping.count <= maximum else {
      report("the mapping has \(mapping.count) keys: write \(maximum) at most")
      return nil
    }
    var result: [(key: Located<String>, value: Cursor)] = []
    for (key, value) in mapping {
      guard file.collector.spend(at: location) else { return nil }
      let place = Cursor(key, file)
      guard case .scalar(let scalar) = key, !scalar.string.isEmpty else {
        place.report("a key is a plain name")
        continue
      }
      result.append((Located(scalar.string, at: place.location), Cursor(value, file)))
    }
    return result
  }

  /// The list's values; an empty list is reported unless `mayBeEmpty`, and one of more than `maximum`.
  func list(_ example: String, mayBeEmpty: Bool = false, maximum: Int = ListBounds.each) -> [Cursor]? {
    guard case .sequence(let sequence) = node else {
      report("expected a list, such as `[\(example)]`")
      return nil
    }
    if sequence.isEmpty, !mayBeEmpty {
      report("the list is empty: write at least one, such as `[\(example)]`")
      return nil
    }
    guard sequence.count <= maximum else {
      Cursor(sequence[maximum], file).report("the list has \(sequence.count) entries: write \(maximum) at most, this one is the first too many")
      return nil
    }
    var result: [Cursor] = []
    for element in sequence {
      guard file.collector.spend(at: location) else { return nil }
      result.append(Cursor(element, file))
    }
    return result
  }

  // MARK: - Scalars

  /// The scalar's text, whatever YAML would take it for (`off` is `off`), with the environment put in. Never empty.
  func text() -> String? {
    guard case .scalar(let scalar) = node else {
      report("expected a single value, not a \(isMapping ? "mapping" : "list")")
      return nil
    }
    guard !(scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)) else {
      report("the value is missing")
      return nil
    }
    do {
      let text = try EnvironmentSubstitution.apply(scalar.string, file.environment)
      if text.isEmpty {
        report("the value is empty")
        return nil
      }
      if text.utf8.contains(0) {
        report("the value has a NUL byte")
        return nil
      }
      return text
    } catch {
      report(error.message)
      return nil
    }
  }

  var isMapping: Bool { if case .mapping = node { true } else { false } }
  var isScalar: Bool { if case .scalar = node { true } else { false } }

  func locatedText() -> Located<String>? { text().map { Located($0, at: location) } }

  /// Names stand in logs, metrics and internal tokens.
  func name() -> Located<String>? {
    guard let text = text() else { return nil }
    let isPlain = text.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f].contains($0) }
    guard isPlain, text.utf8.count <= 64 else {
      report("a name has up to 64 letters, digits, `-`, `_` and `.`")
      return nil
    }
    return Located(text, at: location)
  }

  /// A path, resolved against the directory of the file it stands in.
  func path() -> Located<String>? {
    guard let text = text() else { return nil }
    if text.hasPrefix("/") { return Located(text, at: location) }
    let directory = file.source.directory
    let joined = directory == "." ? text : directory == "/" ? "/\(text)" : "\(directory)/\(text)"
    return Located(joined, at: location)
  }

  func boolean() -> Bool? {
    guard let text = text() else { return nil }
    if text == "true" || text == "false" { return text == "true" }
    report("`\(text)` is neither `true` nor `false`")
    return nil
  }

  /// An integer that bounds something, and of which 0 does not mean that there is no bound.
  func limit(_ range: ClosedRange<Int>) -> Int? {
    if case .scalar(let scalar) = node, scalar.string == "0" {
      report("0 does not mean unlimited here: write a number from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return integer(range)
  }

  func integer(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    guard let value = Int(text) else {
      report("`\(text)` is no whole number: write one from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    guard range.contains(value) else {
      report("`\(text)` is out of range: write a number from \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return value
  }

  /// Milliseconds.
  func duration(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    guard let value = Quantity.milliseconds(text) else {
      report("`\(text)` is no duration: write a number and `ms`, `s`, `m` or `h`, such as `30s`")
      return nil
    }
    guard range.contains(value) else {
      let (low, high) = (Quantity.describe(milliseconds: range.lowerBound), Quantity.describe(milliseconds: range.upperBound))
      report("`\(text)` is out of range: write \(low) to \(high)")
      return nil
    }
    return value
  }

  /// Written as `50%`.
  func percent(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    guard text.hasSuffix("%"), text.dropLast().utf8.allSatisfy({ $0 &- 0x30 < 10 }), let value = Int(text.dropLast()) else {
      let isBare = Int(text).map(range.contains) ?? false
      report(isBare ? "`\(text)` has no percent sign: write `\(text)%`" : "`\(text)` is no percentage: write one such as `50%`")
      return nil
    }
    guard range.contains(value) else {
      report("`\(text)` is out of range: write \(range.lowerBound)% to \(range.upperBound)%")
      return nil
    }
    return value
  }

  /// Milliseconds, or `0` for no bound.
  func bound(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    return text == "0" || text == "0s" ? 0 : duration(range)
  }

  /// Bytes a second.
  func byteRate(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    if text == "0" { return 0 }
    guard let value = Quantity.bytesPerSecond(text) else {
      report("`\(text)` is no rate: write a size and `/s`, such as `1KiB/s`, or `0` for none")
      return nil
    }
    guard range.contains(value) else {
      let (low, high) = (Quantity.describe(bytes: range.lowerBound), Quantity.describe(bytes: range.upperBound))
      report("`\(text)` is out of range: write \(low)/s to \(high)/s")
      return nil
    }
    return value
  }

  /// Bytes.
  func size(_ range: ClosedRange<Int>) -> Int? {
    guard let text = text() else { return nil }
    guard let value = Quantity.bytes(text) else {
      report("`\(text)` is no size: write a number of bytes, or a number and `KiB`, `MiB` or `GiB`, such as `1MiB`")
      return nil
    }
    guard range.contains(value) else {
      let (low, high) = (Quantity.describe(bytes: range.lowerBound), Quantity.describe(bytes: range.upperBound))
      report("`\(text)` is out of range: write \(low) to \(high)")
      return nil
    }
    return value
  }

  /// One of a few words; those in `later` are reported as not supported yet.
  func word<Value>(_ words: [(text: String, value: Value)], later: [String] = []) -> Value? {
    guard let text = text() else { return nil }
    if let word = words.first(where: { $0.text == text }) { return word.value }
    if later.contains(text) {
      report("`\(text)` is not supported by this version yet: write \(Self.alternatives(words.map(\.text)))")
    } else {
      report("unknown value `\(text)`: write \(Self.alternatives(words.map(\.text)))")
    }
    return nil
  }

  private static func alternatives(_ words: [String]) -> String {
    let quoted = words.map { "`\($0)`" }
    guard let last = quoted.last, quoted.count > 1 else { return quoted.joined() }
    return quoted.dropLast().joined(separator: ", ") + " or " + last
  }
}

/// The values of a mapping.
struct Mapping {
  let owner: Cursor
  let values: [String: Cursor]
  /// Keys that unknown ones look like; they are not also reported as missing.
  let misspelt: Set<String>
  /// Whether a key is there that is not supported yet.
  let hasLater: Bool

  var location: SourceLocation { owner.location }

  subscript(key: String) -> Cursor? { values[key] }

  /// The value, which must be there; `hint` says what to write.
  func required(_ key: String, _ hint: String) -> Cursor? {
    if let value = values[key] { return value }
    if !misspelt.contains(key) { owner.report("`\(key)` is missing: write \(hint)") }
    return nil
  }
}
