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
    let bytes = Array("close, X-A,,x_b ,\tX-C".utf8)
    var head = HeaderBlock(capacity: 4)
    let empty = ByteRange.empty
    _ = head.append(HeaderField(name: empty, value: ByteRange(offset: 0, count: 10), id: .connection))
    _ = head.append(HeaderField(name: empty, value: ByteRange(offset: 0, count: 21), id: .other))
    _ = head.append(HeaderField(name: empty, value: ByteRange(offset: 10, count: 11), id: .connection))
    let text = Array(name.utf8)
    let isNominated = HopByHop.isNominated(name: text.span, by: head, in: bytes.span)
    #expect(isNominated == expected)
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
