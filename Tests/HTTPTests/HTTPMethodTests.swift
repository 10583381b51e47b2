import Testing

@testable import HTTP

@Suite("Request methods")
struct HTTPMethodTests {
  @Test("what may be repeated is what RFC 9110 calls idempotent", arguments: HTTPMethod.allCases)
  func idempotent(method: HTTPMethod) {
    let repeatable: Set<HTTPMethod> = [.get, .head, .put, .delete, .options, .trace]
    #expect(method.isIdempotent == repeatable.contains(method))
  }
}

@Suite("Misspelt methods")
struct MisspeltMethodTests {
  static func isMisspelt(_ name: String) -> Bool { HTTPMethod.isMisspelt(Array(name.utf8).span) }

  @Test(
    "a known method in any other case is misspelt, in its own it is not",
    arguments: HTTPMethod.allCases.map(\.token.description).filter { !$0.isEmpty } + [
      "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "ACL", "REPORT", "SEARCH", "BIND", "UNBIND",
      "REBIND", "LINK", "UNLINK", "MERGE", "LABEL", "PURGE", "PRI", "CHECKIN", "CHECKOUT", "UNCHECKOUT", "UPDATE", "NOTIFY",
      "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH", "SOURCE", "ORDERPATCH", "MKACTIVITY", "MKCALENDAR", "MKWORKSPACE", "MKREDIRECTREF",
      "VERSION-CONTROL", "BASELINE-CONTROL", "UPDATEREDIRECTREF",
    ])
  func known(name: String) {
    #expect(!Self.isMisspelt(name))
    for index in name.indices where name[index].isLetter {
      let changed = name[..<index] + name[index].lowercased() + name[name.index(after: index)...]
      #expect(Self.isMisspelt(String(changed)))
    }
    #expect(!Self.isMisspelt(name.lowercased() + "x") && !Self.isMisspelt(String(name.lowercased().dropLast())))
  }

  @Test("a method that nobody knows may be spelt as it likes")
  func unknown() {
    for name in ["brew", "Brew", "get-", "_get", "", "p0st", "ge\u{212a}"] { #expect(!Self.isMisspelt(name)) }
  }
}
