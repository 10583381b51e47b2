import Testing

@testable import HTTP

@Suite("Field names")
struct FieldNameTests {
  static func recognise(_ name: [UInt8]) -> FieldName { FieldName(recognising: name.span) }

  @Test("every known name is recognised in lower, upper and underscore spelling", arguments: FieldName.allCases)
  func recognised(field: FieldName) {
    guard field != .other else { return }
    let name = field.canonicalName.description
    for spelling in [name, name.uppercased(), name.replacing("-", with: "_"), name.capitalized] {
      #expect(Self.recognise(Array(spelling.utf8)) == field)
    }
  }

  @Test("one changed byte makes it another field", arguments: FieldName.allCases)
  func nearMisses(field: FieldName) {
    let name = Array(field.canonicalName.description.utf8)
    for index in name.indices {
      for byte in UInt8.min...UInt8.max {
        var changed = name
        changed[index] = byte
        let read = String(decoding: changed, as: UTF8.self).lowercased().replacing("_", with: "-")
        let same = read == field.canonicalName.description
        let found = Self.recognise(changed) == field
        if found != same { Issue.record("\(changed)") }
      }
    }
  }

  @Test("names of other lengths and the empty name are nobody's")
  func others() {
    for name in ["", "a", "accept", "user-agent", "x-forwarded-forr", "content-lengt", String(repeating: "a", count: 300)] {
      #expect(Self.recognise(Array(name.utf8)) == .other)
    }
  }
}

extension String {
  /// `Content-Length` from `content-length`.
  fileprivate var capitalized: String {
    split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: "-")
  }
}
