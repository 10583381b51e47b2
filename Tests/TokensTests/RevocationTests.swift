import JSON
import Testing

@testable import Tokens

@Suite("Entries of deny-lists")
struct RevocationTests {
  private func entry(_ text: String) throws -> Revocation { try Revocation(Array(text.utf8)) }

  private func failure(_ text: String) -> RevocationError? {
    do throws(RevocationError) {
      _ = try Revocation(Array(text.utf8))
      return nil
    } catch {
      return error
    }
  }

  @Test("each kind, with and without what goes with it")
  func kinds() throws {
    #expect(try entry(#"{"jti":"a"}"#) == Revocation(.jti, Array("a".utf8)))
    #expect(try entry(#" { "kid" : "k1", "iss" : "i" } "#) == Revocation(.kid, Array("k1".utf8), issuer: Array("i".utf8)))
    #expect(try entry(#"{"until":5,"sid":"s"}"#) == Revocation(.sid, Array("s".utf8), until: 5))
    #expect(
      try entry(#"{"sub":"alice","issued_before":100.9,"until":1e3}"#)
        == Revocation(.sub, Array("alice".utf8), issuedBefore: 100, until: 1000))
    #expect(try entry(#"{"sub":"\u00e9"}"#).value == [0xc3, 0xa9])
  }

  @Test(
    "what is not understood is refused, and said in words",
    arguments: [
      ("", "is no JSON object: ends too early"), ("[]", "is no JSON object"), ("\"jti\"", "is no JSON object"),
      ("{}", "names none of jti, sub, sid and kid"), (#"{"iss":"x"}"#, "names none of jti, sub, sid and kid"),
      (#"{"jti":"a","sub":"b"}"#, "names several of jti, sub, sid and kid"),
      (#"{"jti":""}"#, "has a jti that is no text"), (#"{"sub":7}"#, "has a sub that is no text"),
      (#"{"sub":null}"#, "has a sub that is no text"), (#"{"sub":"a","iss":[]}"#, "has an iss that is no text"),
      (#"{"sub":"a","iss":""}"#, "has an iss that is no text"),
      (#"{"sub":"a","issued_before":"x"}"#, "has an issued_before that is no time in seconds"),
      (#"{"sub":"a","until":true}"#, "has an until that is no time in seconds"),
      (#"{"jti":"a","issued_before":5}"#, "has issued_before, which goes with sub only"),
      (#"{"jti":"a","issued_before":9223372036854775807}"#, "has issued_before, which goes with sub only"),
      (#"{"jti":"a","exp":5}"#, #"has a member "exp", which means nothing here"#),
      ("{\"jti\":\"a\",\"\\n\":5}", #"has a member "?", which means nothing here"#),
      (#"{"jti":"a","jti":"b"}"#, "is no JSON object: member named twice"),
      (#"{"jti":"a"} x"#, "is no JSON object: bytes after the value"),
    ])
  func refused(text: String, message: String) {
    #expect(failure(text)?.description == message)
  }

  @Test("where the JSON breaks is told, and a long entry is not read")
  func places() {
    #expect(failure(#"{"jti":"a",}"#)?.offset == 11)
    #expect(failure(#"{"jti":"\#(String(repeating: "a", count: 4096))"}"#)?.description == "has more than 4096 bytes")
    #expect(failure(#"{"jti":"\#(String(repeating: "a", count: 4086))"}"#) == nil)
  }

  @Test("an entry is written as it is read")
  func text() throws {
    for entry in [
      Revocation(.jti, Array("a\"b\n".utf8)),
      Revocation(.sub, [0xc3, 0xa9], issuer: Array("https://i/".utf8), issuedBefore: -7, until: 9),
      Revocation(.kid, Array("k".utf8), until: .min),
    ] {
      #expect(!entry.text.contains(0x0a))
      #expect(try Revocation(entry.text) == entry)
    }
  }

  // MARK: Files

  private func read(_ text: String, now: Int64 = 1000) throws -> RevocationTable {
    try RevocationFile.read(Array(text.utf8).span, now: now)
  }

  @Test("a file has an entry a line; empty lines, comments and what has ended do not count")
  func file() throws {
    #expect(try read("").isEmpty)
    #expect(try read("\n# nobody\n  \r\n").isEmpty)
    let table = try read(
      "{\"jti\":\"a\"}\r\n\n  {\"jti\":\"b\",\"until\":1001}\n{\"jti\":\"c\",\"until\":1000}\n#{\n{\"jti\":\"a\"}")
    #expect(table.count == 2)
    #expect(table.firstEnd == 1001)
  }

  @Test(
    "a broken line is told with line and column, and nothing of the file is taken",
    arguments: [
      ("{\"jti\":\"a\"}\n{\"jti\":\"b\"", "2:11: the entry is no JSON object: ends too early"),
      ("\n\n   {\"jit\":\"b\"}", "3:4: the entry has a member \"jit\", which means nothing here"),
      ("{\"jti\":\"a\"},\n{\"jti\":\"b\"}", "1:12: the entry is no JSON object: bytes after the value"),
      ("\u{feff}{\"jti\":\"a\"}", "1:1: the entry is no JSON object: not JSON"),
      ("{\"jti\":\"a\0\"}", "1:10: the entry is no JSON object: control character in a string"),
    ])
  func brokenFile(text: String, message: String) {
    do {
      _ = try read(text)
      Issue.record("was read")
    } catch {
      #expect("\(error)" == message)
    }
  }
}
