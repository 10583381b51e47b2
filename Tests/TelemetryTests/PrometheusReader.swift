/// A strict reader of Prometheus's text format 0.0.4, for tests: throws at whatever a scraper might trip over.
struct PrometheusReader {
  struct Problem: Error, CustomStringConvertible {
    let description: String
  }

  struct Sample: Equatable {
    let name: String
    let labels: [String: String]
    let value: Double
  }

  struct Family {
    let name: String
    let kind: String
    var samples: [Sample] = []
  }

  private(set) var families: [String: Family] = [:]

  init(_ text: String) throws {
    guard text.isEmpty || text.hasSuffix("\n") else { throw Problem(description: "no line feed at the end") }
    var current: String?
    var helped: String?
    var seen: Set<String> = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      if line.hasPrefix("# HELP ") {
        helped = line.split(separator: " ").dropFirst(2).first.map(String.init)
      } else if line.hasPrefix("# TYPE ") {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, words[2] == helped, families[words[2]] == nil,
          ["counter", "gauge", "histogram"].contains(words[3])
        else { throw Problem(description: "bad type line: \(line)") }
        families[words[2]] = Family(name: words[2], kind: words[3])
        current = words[2]
      } else {
        let sample = try Self.sample(String(line))
        guard let current, let family = families[current] else { throw Problem(description: "sample without family: \(line)") }
        let suffixes = family.kind == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard suffixes.contains(where: { current + $0 == sample.name }) else {
          throw Problem(description: "sample of another family: \(line)")
        }
        guard seen.insert(sample.labels.sorted { $0.key < $1.key }.reduce(sample.name) { "\($0)\0\($1)" }).inserted else {
          throw Problem(description: "twice: \(line)")
        }
        families[current]?.samples.append(sample)
      }
    }
  }

  func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    let family = families[name] ?? ["_bucket", "_sum", "_count"].lazy
      .filter { name.hasSuffix($0) }.compactMap { families[String(name.dropLast($0.count))] }.first
    return family?.samples.first { $0.name == name && $0.labels == labels }?.value
  }

  private static func sample(_ line: String) throws -> Sample {
    var rest = Substring(line)
    func fail() -> Problem { Problem(description: "bad sample: \(line)") }
    guard let name = rest.prefixMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) else { throw fail() }
    rest = rest[name.range.upperBound...]
    var labels: [String: String] = [:]
    if rest.first == "{" {
      rest.removeFirst()
      while true {
        guard let label = rest.prefixMatch(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"/) else { throw fail() }
        guard labels[String(label.1)] == nil else { throw fail() }
        var value = ""
        var escaped = false
        for character in label.2.unicodeScalars {
          if escaped {
            value.unicodeScalars.append(character == "n" ? "\n" : character)
            escaped = false
          } else if character == "\\" {
            escaped = true
          } else {
            value.unicodeScalars.append(character)
          }
        }
        labels[String(label.1)] = value
        rest = rest[label.range.upperBound...]
        let next = rest.popFirst()
        if next == "}" { break }
        guard next == "," else { throw fail() }
      }
    }
    guard rest.popFirst() == " ", let value = Double(rest.replacing("+Inf", with: "inf")) else { throw fail() }
    return Sample(name: String(name.0), labels: labels, value: value)
  }
}
