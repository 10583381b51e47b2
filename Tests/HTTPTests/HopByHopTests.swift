import Bytes
import Testing

@testable import HTTP

@Suite("Hop-by-hop fields")
struct HopByHopTests {
  @Test("the fields of one connection end at the gateway, the others pass", arguments: FieldName.allCases)
  func fixed(name: FieldName) {
    let ending: Set<FieldName> = [
      .connection, .keepAlive, .proxyConnection, .te, .trailer, .transferEncoding, .upgrade, .http2Settings, .proxyAuthorization,
      .proxyAuthenticate,
    ]
    #expect(HopByHop.contains(name) == ending.contains(name))
  }

  @Test(
    "Connection nominates by name, in any case, in any spelling, from any of its fields",
    arguments: [
      ("x-a", true), ("X_A", true), ("x-b", true), ("x-c", true), ("x", false), ("x-", false), ("x-d", false), ("close", true),
      ("X.A", true),
    ])
  func nominated(name: String, expected: Bool) {
    let head = Nominated("close, X-A,,x_b ,\tX-C", names: [name, "connection"], split: 10)
    #expect(head.marked == (expected ? [0] : []))
  }

  @Test("every field of a name is marked, and no other")
  func marked() {
    let names = ["x-b", "x-a", "b", "X.A", "a", "x-a", "B", "aa", "", "x-ab"]
    #expect(Nominated("x_A, b, x-a, b, zz", names: names).marked == [1, 2, 3, 5, 6])
    #expect(Nominated("aa,a", names: names).marked == [4, 7])
    #expect(Nominated("y", names: names).marked == [])
    #expect(Nominated("y", names: []).marked == [])
  }

  @Test("names and options are not held against each other one by one", arguments: [(1, 96), (2, 96), (3, 200), (40, 96)])
  func linear(length: Int, fields: Int) {
    // As many options as fit into a head, of names that are there, and of such that are nearly.
    func work(_ options: Int) -> Int {
      let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
      let names = (0..<fields).map { String(repeating: "x", count: length - 1) + String(letters[$0 % letters.count]) }
      let list = (0..<options).map { names[$0 * 7 % names.count] }
      return Nominated(list.joined(separator: ","), names: names).comparisons
    }
    let (once, twice) = (work(4000), work(8000))
    #expect(twice <= 2 * once)
    // Eight steps to the place, and one to see whether it is the name; and as much for each field that is sorted in.
    #expect(twice <= (8000 + fields) * 10)
  }

  @Test(
    "Connection is a list of tokens or it is malformed",
    arguments: [
      ("close", true), ("", true), (" , ,", true), ("keep-alive, Upgrade", true), ("a b", false), ("a;b", false),
      ("\"a\"", false), ("a,@", false),
    ])
  func lists(value: String, expected: Bool) {
    let bytes = Array(value.utf8)
    var options = ConnectionOptions()
    let isList = options.add(ByteRange(offset: 0, count: bytes.count), in: bytes.span)
    #expect(isList == expected)
  }
}

/// What is marked of a head with these `Connection` options.
private struct Nominated {
  var marked: [Int] = []
  let comparisons: Int

  /// - Parameter split: where a second `Connection` field begins.
  init(_ options: String, names: [String], split: Int? = nil) {
    var bytes: [UInt8] = []
    var head = HeaderBlock(capacity: names.count + 2)
    for name in names {
      let range = ByteRange(offset: bytes.count, count: name.utf8.count)
      bytes += Array(name.utf8)
      _ = head.append(HeaderField(name: range, value: .empty, id: .other))
    }
    let start = bytes.count
    bytes += Array(options.utf8)
    let middle = start + (split ?? options.utf8.count)
    for value in [ByteRange(offset: start, count: middle - start), ByteRange(offset: middle, count: bytes.count - middle)] {
      _ = head.append(HeaderField(name: .empty, value: value, id: .connection))
    }
    comparisons = HopByHop.markNominated(in: &head, bytes.span)
    for index in names.indices where head[index].isNominated { marked.append(index) }
  }
}
