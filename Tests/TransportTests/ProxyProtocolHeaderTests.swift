import Reactor
import Testing
import Transport

@Suite("PROXY protocol") struct ProxyProtocolHeaderTests {
  enum Outcome: Equatable {
    /// The client, as text; nil when the balancer names none. What is left in the socket.
    case done(String?, [UInt8])
    case refused
    case incomplete
  }

  /// Reads as a connection does: `piece` bytes arrive at a time, and what the header does not take stays in the socket.
  static func read(_ bytes: [UInt8], piece: Int = .max) -> Outcome {
    var header = ProxyProtocolHeader()
    var socket: [UInt8] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      socket += rest.prefix(piece)
      rest = rest.dropFirst(min(piece, rest.count))
      while !socket.isEmpty {
        switch socket.withUnsafeBufferPointer({ header.read($0) }) {
        case .more(let count):
          #expect(count > 0 && count <= socket.count)
          socket.removeFirst(count)
        case .done(let count, let address):
          #expect(count >= 0 && count <= socket.count)
          socket.removeFirst(count)
          return .done(address?.description, socket + rest)
        case .refused: return .refused
        }
      }
    }
    return .incomplete
  }

  static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

  static func binary(_ command: UInt8, _ family: UInt8, _ body: [UInt8]) -> [UInt8] {
    signature + [command, family, UInt8(body.count >> 8), UInt8(body.count & 0xff)] + body
  }

  static let v4: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xdd, 0xd5, 0x01, 0xbb]
  static let v6: [UInt8] =
    [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [7] + [UInt8](repeating: 0, count: 15) + [
      1, 0xdd, 0xd5, 0x01, 0xbb,
    ]
  static let extensions: [UInt8] = [0x04, 0x00, 0x03, 1, 2, 3, 0x20, 0x00, 0x01, 9]

  static let good: [(String, [UInt8], String?)] = [
    ("TCP4", Array("PROXY TCP4 192.0.2.7 10.0.0.1 56789 443\r\n".utf8), "192.0.2.7:56789"),
    ("TCP6", Array("PROXY TCP6 2001:db8::7 ::1 56789 443\r\n".utf8), "[2001:db8::7]:56789"),
    (
      "the longest",
      Array("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".utf8),
      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
    ),
    ("UNKNOWN", Array("PROXY UNKNOWN\r\n".utf8), nil),
    ("UNKNOWN with more", Array("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".utf8), nil),
    ("v2 IPv4", binary(0x21, 0x11, v4), "192.0.2.7:56789"),
    ("v2 IPv4 with extensions", binary(0x21, 0x11, v4 + extensions), "192.0.2.7:56789"),
    ("v2 IPv6", binary(0x21, 0x21, v6), "[2001:db8::7]:56789"),
    ("v2 Unix", binary(0x21, 0x31, [UInt8](repeating: 0x61, count: 216)), nil),
    ("v2 unspecified", binary(0x21, 0x00, extensions), nil),
    ("v2 LOCAL", binary(0x20, 0x00, []), nil),
    ("v2 LOCAL that says more", binary(0x20, 0x11, v4), nil),
    ("v2 at its longest", binary(0x21, 0x11, v4 + [UInt8](repeating: 0, count: 4096 - 28)), "192.0.2.7:56789"),
  ]

  @Test("a header is taken, and nothing behind it", arguments: good.indices, [Int.max, 1, 5])
  func taken(index: Int, piece: Int) {
    let (name, bytes, address) = Self.good[index]
    let behind: [UInt8] = [0x16, 0x03, 0x01, 0x0a, 0x0d]
    #expect(Self.read(bytes + behind, piece: piece) == .done(address, behind), "\(name)")
  }

  @Test("half a header is waited for", arguments: good.indices)
  func halves(index: Int) {
    let bytes = Self.good[index].1
    for count in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 50)) {
      #expect(Self.read(Array(bytes[..<count])) == .incomplete)
    }
  }

  static let bad: [(String, [UInt8])] = [
    ("TLS", [0x16, 0x03, 0x01, 0x02, 0x00]), ("HTTP", Array("GET / HTTP/1.1\r\n\r\n".utf8)),
    ("lower case", Array("proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n".utf8)),
    ("no CR", Array("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n".utf8)),
    ("two spaces", Array("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n".utf8)),
    ("a space at the end", Array("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n".utf8)),
    ("a leading zero", Array("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n".utf8)),
    ("a sign", Array("PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n".utf8)),
    ("a port too large", Array("PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n".utf8)),
    ("no ports", Array("PROXY TCP4 192.0.2.7 10.0.0.1\r\n".utf8)),
    ("an address of the other family", Array("PROXY TCP4 ::1 10.0.0.1 1 2\r\n".utf8)),
    ("a name", Array("PROXY TCP4 localhost 10.0.0.1 1 2\r\n".utf8)),
    ("another family", Array("PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n".utf8)),
    ("nothing", Array("PROXY \r\n".utf8)), ("without an end", Array("PROXY UNKNOWN ".utf8) + [UInt8](repeating: 0x61, count: 94)),
    (
      "v2 with a wrong signature",
      [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0b, 0x21, 0x11, 0, 12] + v4
    ),
    ("version 1 in v2", binary(0x11, 0x11, v4)), ("an unknown command", binary(0x22, 0x11, v4)),
    ("datagrams", binary(0x21, 0x12, v4)),
    ("an unknown family", binary(0x21, 0x41, v4)), ("too short for IPv4", binary(0x21, 0x11, Array(v4.dropLast()))),
    ("too short for IPv6", binary(0x21, 0x21, Array(v6.dropLast()))),
    ("too long", binary(0x21, 0x11, v4 + [UInt8](repeating: 0, count: 4096 - 27))),
  ]

  @Test("anything else is refused", arguments: bad.indices, [Int.max, 1])
  func refused(index: Int, piece: Int) {
    let (name, bytes) = Self.bad[index]
    #expect(Self.read(bytes, piece: piece) == .refused, "\(name)")
  }
}
