import Foundation

/// Finds the stored properties of a Swift file that can grow: arrays, sets, dictionaries, queues of bytes, memory by hand.
///
/// Braces and the words before them are all it knows of Swift. That is enough to tell a property from a variable of a function, because
/// the sources are laid out by a formatter, and a test holds it against examples.
enum StoredContainers {
  /// `Type.property`, in the order of the text. A nested type goes by its own name.
  static func find(in text: String) -> [String] {
    var found: [String] = []
    var scopes: [String?] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let code = withoutTextAndComments(String(line))
      if let type = scopes.last ?? nil, let name = property(code) { found.append("\(type).\(name)") }
      for (offset, character) in code.enumerated() {
        if character == "{" {
          scopes.append(typeName(String(code.prefix(offset))))
        } else if character == "}", !scopes.isEmpty {
          scopes.removeLast()
        }
      }
    }
    return found
  }

  private static func withoutTextAndComments(_ line: String) -> String {
    line.replacing(#/"(?:\\.|[^"\\])*"/#, with: "\"\"").replacing(#/\/\/.*$/#, with: "")
  }

  /// The type that begins with the brace behind `text`, if one does.
  private static func typeName(_ text: String) -> String? {
    guard let match = text.firstMatch(of: #/^[^(]*\b(?:class|struct|enum|extension|actor)\s+([\w.]+)/#) else { return nil }
    return match.output.1.split(separator: ".").last.map(String.init)
  }

  private static var container: Regex<Substring> {
    #/\[|Set<|Dictionary<|ByteQueue|UnsafeMutable|ContiguousArray|SlotTable|FieldSink|BlockArena|HeaderBlock/#
  }

  /// The name of a stored `var` that can grow; computed properties have a brace on their line.
  private static func property(_ code: String) -> String? {
    guard let match = code.firstMatch(of: #/^\s*(?:@?[\w().]+\s+)*?var\s+(\w+)\s*([:=][^{]*)$/#), !code.contains("static let") else { return nil }
    let declaration = String(match.output.2)
    // A set of options has brackets for its default, and one number for all it holds.
    guard declaration.contains(container), !declaration.contains("->"), !declaration.contains(#/:\s*(?:Readiness|Scopes)\s*=/#) else { return nil }
    return String(match.output.1)
  }
}
