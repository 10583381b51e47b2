/// A sample that loads, with one thing changed, and everything that is then reported.
struct Broken: Sendable, CustomStringConvertible {
  let yaml: String
  let expected: [String]
  let description: String

  init(_ text: String, with replacement: String, _ expected: [String]) {
    yaml = Sample.all.replacing(text, with: replacement)
    self.expected = expected
    description = "\(text) → \(replacement)"
  }

  init(adding text: String, _ expected: [String]) {
    yaml = Sample.all + text
    self.expected = expected
    description = text
  }

  init(_ text: String, _ expected: [String]) {
    yaml = text
    self.expected = expected
    description = text
  }
}
