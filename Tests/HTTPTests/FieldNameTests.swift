import Testing

@testable import HTTP

@Suite("Field names")
struct FieldNameTests {
  static func recognise(_ name: [UInt8]) -> FieldName { FieldName(recognising: name.span) }

  /// Those that are one name.
  static let named = FieldName.allCases.filter { !$0.canonicalName.description.isEmpty }
  /// What may stand in a name besides letters and digits (RFC 9110 section 5.6.2).
  static let marks = Array("!#$%&'*+-.^_`|~".utf8)

  @Test("every known name is recognised in lower, upper and mixed case", arguments: named)
  func recognised(field: FieldName) {
    let name = field.canonicalName.description
    for spelling in [name, name.uppercased(), name.capitalized] { #expect(Self.recognise(Array(spelling.utf8)) == field) }
  }

  @Test("a name that CGI would make a known one of is neither that nor any other", arguments: named)
  func lookAlikes(field: FieldName) {
    let name = Array(field.canonicalName.description.utf8)
    for index in name.indices where name[index] == UInt8(ascii: "-") {
      for mark in Self.marks where mark != UInt8(ascii: "-") {
        var changed = name
        changed[index] = mark
        // Those two are for the parsers to refuse.
        let expected: FieldName = [.contentLength, .transferEncoding].contains(field) ? field : .lookAlike
        #expect(Self.recognise(changed) == expected)
      }
    }
  }

  @Test("one changed byte makes it another field", arguments: named)
  func nearMisses(field: FieldName) {
    let name = Array(field.canonicalName.description.utf8)
    for index in name.indices {
      for byte in UInt8.min...UInt8.max {
        var changed = name
        changed[index] = byte
        let isSame = String(decoding: changed, as: UTF8.self).lowercased() == field.canonicalName.description
        let folds = FieldName.canonical(changed) == name
        let found = Self.recognise(changed)
        let expected = isSame || folds && [.contentLength, .transferEncoding].contains(field)
        if (found == field) != expected { Issue.record("\(changed)") }
        if folds, !expected, found != .lookAlike { Issue.record("\(changed)") }
      }
    }
  }

  @Test("fields that frameworks believe are told apart by what they may do, and their spellings are nobody's")
  func believed() {
    for name in ["X-Original-URL", "x-rewrite-url", "Proxy", "X-HTTP-METHOD-OVERRIDE"] {
      #expect(Self.recognise(Array(name.utf8)) == .overriding)
    }
    for name in ["X-Forwarded-User", "x-forwarded-x", "Client-Cert", "SSL-Client-Cert"] {
      #expect(Self.recognise(Array(name.utf8)) == .believed)
    }
    for name in ["X_Original-URL", "SCRIPT_NAME", "X-Forwarded-Us~er", "client_cert", "x.ssl.cert"] {
      #expect(Self.recognise(Array(name.utf8)) == .lookAlike)
    }
    for name in ["X-Forwarded-", "X-SSL-", "x", "xa", "proxies", "client", "ssl-clients", "xforwarded-user", "x0forwarded-user"] {
      #expect(Self.recognise(Array(name.utf8)) == .other)
    }
  }

  @Test("a set of names holds every spelling of them, and nothing else")
  func sets() {
    let set = FieldNameSet(["X-API-Key", "x_api_key", "X-Token", "a"].map { Array($0.utf8) })
    func holds(_ set: FieldNameSet, _ name: String) -> Bool { set.contains(Array(name.utf8).span) }
    for name in ["x-api-key", "X.Api~Key", "X_TOKEN", "A"] { #expect(holds(set, name)) }
    for name in ["", "b", "x-api-keys", "x-api-ke", "xxapi-key", "x-tokem", String(repeating: "x", count: 9000)] {
      #expect(!holds(set, name))
    }
    let empty = FieldNameSet([])
    #expect(!holds(empty, "") && !holds(empty, "a") && empty.isEmpty)
  }

  @Test("names of other lengths and the empty name are nobody's")
  func others() {
    for name in ["", "a", "accept", "user-agent", "forwarded-forr", "content-lengt", String(repeating: "a", count: 300)] {
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
