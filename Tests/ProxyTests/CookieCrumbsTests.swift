import Bytes
import Proxy
import Testing

struct CookieCrumbsTests {
  @Test(
    arguments: [
      ("", []), (";", []), (" ; ;\t; ", []), ("a=1", ["a=1|a|1"]), ("a=1; b=2", ["a=1|a|1", "b=2|b|2"]),
      ("a=1;b=2;;c=3;", ["a=1|a|1", "b=2|b|2", "c=3|c|3"]), ("  a=1 \t;\tb=2 ", ["a=1|a|1", "b=2|b|2"]),
      ("a", ["a|a|"]), ("a=", ["a=|a|"]), ("=1", ["=1||1"]), ("=", ["=||"]), ("a==", ["a==|a|="]),
      ("a=\"1\"", ["a=\"1\"|a|1"]), ("a=\"", ["a=\"|a|\""]), ("a=\"\"", ["a=\"\"|a|"]), ("a=\"1", ["a=\"1|a|\"1"]),
      // A quoted semicolon is no exception: RFC 6265 has none.
      ("a=\"1;2\"", ["a=\"1|a|\"1", "2\"|2\"|"]),
    ] as [(String, [String])])
  func `A field is read pair by pair`(text: String, pairs: [String]) {
    // Something before and behind, which is not the field's.
    let bytes = HeldBytes("x=0;" + text + ";y=9")
    var crumbs = CookieCrumbs(ByteRange(offset: 4, count: text.utf8.count))
    var read: [String] = []
    while let crumb = crumbs.next(bytes.buffer) {
      read.append([crumb.pair, crumb.name, crumb.value].map(bytes.text).joined(separator: "|"))
    }
    #expect(read == pairs)
  }

  @Test func `Names are compared byte for byte`() throws {
    let bytes = HeldBytes("token=1")
    var crumbs = CookieCrumbs(ByteRange(offset: 0, count: 7))
    let next = crumbs.next(bytes.buffer)
    let crumb = try #require(next)
    #expect(crumb.hasName(Array("token".utf8), bytes.buffer))
    for other in ["Token", "toke", "tokens", "", "tokem"] { #expect(!crumb.hasName(Array(other.utf8), bytes.buffer)) }
  }
}
