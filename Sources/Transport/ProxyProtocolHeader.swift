import Bytes
import CLinux
import Reactor

/// Reads the header with which a balancer says whose connection it passes on: the PROXY protocol of HAProxy, versions 1 and 2.
///
/// Strict: what is not exactly a header ends the connection. It must be told of bytes that are still in the socket, and takes no
/// more of them than are the header's, so that what follows is untouched.
package struct ProxyProtocolHeader {
  package enum Step: Equatable {
    /// So many of the bytes are the header's, and there is more of it to come.
    case more(Int)
    /// So many of the bytes are the rest of it. The client's address; nil when the balancer speaks for itself (`LOCAL`,
    /// `UNKNOWN`) or the client has none (a Unix socket).
    case done(Int, PeerAddress?)
    case refused
  }

  /// Bytes of a header of version 1, its line end included.
  private static let longestText = 107
  /// Bytes of one of version 2, its extensions included.
  package static let longest = 4096
  private static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

  private var held: [UInt8] = []

  package init() {}

  /// - Parameter bytes: what stands in the socket behind what was taken before. Not empty.
  package mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) -> Step {
    let before = held.count
    held.append(contentsOf: bytes)
    let step = held[0] == Self.signature[0] ? readBinary() : readText()
    switch step {
    case .more(let length):
      held.removeLast(held.count - length)
      return .more(length - before)
    case .done(let length, let address): return .done(length - before, address)
    case .refused: return .refused
    }
  }

  // MARK: Version 1

  private func readText() -> Step {
    guard zip(held, "PROXY ".utf8).allSatisfy(==) else { return .refused }
    guard let end = held.prefix(Self.longestText).firstIndex(of: 0x0a) else {
      return held.count >= Self.longestText ? .refused : .more(held.count)
    }
    guard end > 0, held[end - 1] == 0x0d else { return .refused }
    let words = held[..<(end - 1)].split(separator: 0x20, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    if words.count >= 2, words[1] == "UNKNOWN" { return .done(end + 1, nil) }
    guard words.count == 6, let family = [("TCP4", AF_INET), ("TCP6", AF_INET6)].first(where: { $0.0 == words[1] })?.1,
      let port = Self.port(words[4]), Self.port(words[5]) != nil,
      let source = Self.address(words[2], port, family), Self.address(words[3], 0, family) != nil
    else { return .refused }
    return .done(end + 1, source)
  }

  private static func address(_ text: String, _ port: UInt16, _ family: Int32) -> PeerAddress? {
    guard let address = SocketAddress(literal: text, port: port), address.family == family else { return nil }
    return address.peer
  }

  /// Decimal, without leading zeros.
  private static func port(_ text: String) -> UInt16? {
    guard let number = UInt16(text), String(number) == text else { return nil }
    return number
  }

  // MARK: Version 2

  private func readBinary() -> Step {
    guard zip(held, Self.signature).allSatisfy(==) else { return .refused }
    guard held.count >= 16 else { return .more(held.count) }
    let length = 16 + Int(held[14]) << 8 + Int(held[15])
    let command = held[12]
    guard length <= Self.longest, command == 0x20 || command == 0x21 else { return .refused }
    guard held.count >= length else { return .more(held.count) }
    // LOCAL: a health check of the balancer's own; whatever else it says is to be ignored.
    if command == 0x20 { return .done(length, nil) }
    switch held[13] {
    case 0x11:
      guard length >= 16 + 12 else { return .refused }
      return .done(length, PeerAddress(v4: UInt32(number(16, 4)), port: UInt16(number(24, 2))))
    case 0x21:
      guard length >= 16 + 36 else { return .refused }
      return .done(length, PeerAddress(high: number(16, 8), low: number(24, 8), port: UInt16(number(48, 2))))
    case 0x31: return length >= 16 + 216 ? .done(length, nil) : .refused
    case 0x00: return .done(length, nil)
    // Datagrams do not come over this socket.
    default: return .refused
    }
  }

  private func number(_ start: Int, _ count: Int) -> UInt64 {
    held[start..<(start + count)].reduce(0) { $0 << 8 | UInt64($1) }
  }
}
