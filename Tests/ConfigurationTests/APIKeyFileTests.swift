import JSON
import Testing

@testable import Configuration

@Suite("Files of API keys")
struct APIKeyFileTests {
  private static let salt = String(repeating: "0a", count: 16)
  private static let hash = String(repeating: "Ff", count: 32)

  private func decode(_ text: String) -> (keys: [APIKeySettings], errors: [String]) {
    switch APIKeyFile.decode(ConfigurationSource(name: "k.yaml", bytes: Array(text.utf8))) {
    case .decoded(let keys): (keys, [])
    case .rejected(let diagnostics): ([], diagnostics.map(\.description))
    }
  }

  private func entry(_ more: String = "", id: String = "billing-1") -> String {
    "{ id: \(id), sub: billing, salt: \"\(Self.salt)\", hash: \"\(Self.hash)\"\(more) }"
  }

  @Test func `YAML and JSON are read alike`() throws {
    let claims = #"{"scope": "a b", "roles": ["x"], "n": 7, "yes": true, "word": "7", "deep": {"a": []}}"#
    for text in [
      "keys:\n  - "
        + entry(", claims: { scope: a b, roles: [x], n: 7, yes: true, word: \"7\", deep: { a: [] } }, expires: 2027-01-31"),
      #"{"keys": [{"id": "billing-1", "sub": "billing", "salt": "\#(Self.salt)", "hash": "\#(Self.hash)", "claims": \#(claims), "expires": "2027-01-31T00:00:00Z"}]}"#,
    ] {
      let (keys, errors) = decode(text)
      #expect(errors == [])
      let key = try #require(keys.first)
      #expect(key.id == "billing-1" && key.subject == "billing" && key.expiresAt == 1_801_353_600)
      #expect(key.salt == [UInt8](repeating: 10, count: 16) && key.hash == [UInt8](repeating: 255, count: 32))
      #expect(
        key.claims == [
          JSONMember("scope", "a b"), JSONMember("roles", .array(["x"])), JSONMember("n", .integer(7)),
          JSONMember("yes", .boolean(true)),
          JSONMember("word", "7"), JSONMember("deep", .object([JSONMember("a", .array([]))])),
        ])
    }
    #expect(decode("keys: []").errors == [])
  }

  @Test(
    arguments: [
      ("", ["k.yaml:1:1: the file is empty: write `keys: []` for no keys"]),
      ("keys: 1", ["k.yaml:1:7: expected a list, such as `[{ id: …, sub: …, salt: …, hash: … }]`"]),
      ("kays: []", ["k.yaml:1:1: unknown key `kays`: did you mean `keys`?"]),
      (
        "keys: [{ id: A, sub: '', salt: 00, hash: zz }]",
        [
          "k.yaml:1:14: `A` is no id of a key: write 8 to 32 small letters, digits and `-`", "k.yaml:1:22: the value is empty",
          "k.yaml:1:32: the value is wrong: write 16 to 64 bytes in hexadecimal: `gatehouse apikey new` makes them",
          "k.yaml:1:42: the value is wrong: write a SHA-256 in hexadecimal, 64 digits: the key itself does not belong here",
        ]
      ),
      (
        "keys:\n  - {}",
        [
          "k.yaml:2:5: `hash` is missing: write the SHA-256 of the salt and the key in hexadecimal",
          "k.yaml:2:5: `id` is missing: write the part of the key between `ghk_` and the next `_`",
          "k.yaml:2:5: `salt` is missing: write 16 random bytes in hexadecimal",
          "k.yaml:2:5: `sub` is missing: write who has the key, such as `billing`",
        ]
      ),
    ] as [(String, [String])])
  func `What is wrong is told with its place`(text: String, expected: [String]) {
    #expect(decode(text).errors == expected)
  }

  @Test func `What entries say is checked`() {
    #expect(decode("keys: [\(entry()), \(entry())]").errors.count == 1)
    for (more, says) in [
      (", claims: { sub: x }", "`sub` is not for a key to say"),
      (", claims: { cnf: { jkt: x } }", "`cnf` is not for a key to say"),
      (", expires: 2027-02-30", "is no time"), (", expires: 2027-1-1", "is no time"),
      (", expires: 2027-01-01T00:00:00+01:00", "is no time"),
      (", claims: { a: [[[[[[[[1]]]]]]]] }", "at most 8 levels"), (", key: ghk_x", "unknown key `key`"),
      (", claims: 7", "expected a mapping"),
    ] {
      let errors = decode("keys: [\(entry(more))]").errors
      #expect(errors.contains { $0.contains(says) }, "\(more): \(errors)")
    }
  }

  @Test(arguments: ["k.yaml", "k.json"])
  func `What is appended is read again`(name: String) throws {
    var bytes: [UInt8]?
    for number in 0..<5 {
      let key = APIKeySettings(
        id: "key-number-\(number)", subject: "\"quoted\" \\ ü: # \(number)", salt: [UInt8](repeating: UInt8(number), count: 16),
        hash: [UInt8](repeating: 0xe0, count: 32),
        claims: [JSONMember("scope", "a: b"), JSONMember("roles", .array(["x", "y: z"]))],
        expiresAt: 1_801_353_600, location: SourceLocation(file: "", line: 1, column: 1))
      bytes = try APIKeyFile.appending(key, to: bytes, named: name)
      guard case .decoded(let keys) = APIKeyFile.decode(ConfigurationSource(name: name, bytes: bytes ?? [])) else {
        return #expect(Bool(false))
      }
      #expect(keys.count == number + 1 && keys.last?.subject == key.subject && keys.last?.claims == key.claims)
      #expect(keys.last?.salt == key.salt && keys.last?.expiresAt == key.expiresAt)
      #expect(throws: APIKeyFile.LayoutError.self) { try APIKeyFile.appending(key, to: bytes, named: name) }
    }
  }
}
