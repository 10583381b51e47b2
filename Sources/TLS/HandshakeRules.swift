import Bytes

/// What a listener's handshakes go by while OpenSSL has the word. Immutable.
final class HandshakeRules: Sendable {
  let ring: TicketKeyRing
  let names: ServerNameTable
  /// One for each certificate, the same in all else; a connection begins with the first and SNI may change it.
  let handles: [TLSContextHandle]
  /// What ALPN may choose, preferred first.
  private let protocols: [[UInt8]]

  init(ring: TicketKeyRing, names: ServerNameTable, handles: [TLSContextHandle], protocols: [ApplicationProtocol]) {
    self.ring = ring
    self.names = names
    self.handles = handles
    self.protocols = protocols.map { Array($0.identifier.description.utf8) }.filter { !$0.isEmpty }
  }

  var choosesProtocol: Bool { !protocols.isEmpty }

  /// Where the protocol that is chosen stands in a client's list (RFC 7301 section 3.1); nil when there is none, or it is no list.
  func choose(among offered: Span<UInt8>) -> Range<Int>? {
    for own in protocols {
      var index = 0
      while index < offered.count {
        let (start, end) = (index &+ 1, index &+ 1 &+ Int(offered[index]))
        guard end > start, end <= offered.count else { return nil }
        if end &- start == own.count, (0..<own.count).allSatisfy({ offered[start &+ $0] == own[$0] }) { return start..<end }
        index = end
      }
    }
    return nil
  }
}

/// Finds the rules of a listener by a number: what OpenSSL, which may hold no object of ours, is given to remember. A number is given
/// once and never again, so that one whose listener is gone finds nobody.
///
/// The lock is taken three times a handshake at most, which costs ten thousand times as much.
enum HandshakeRegistry {
  private struct State: Sendable {
    var last: UInt = 0
    var rules: [UInt: HandshakeRules] = [:]
  }

  private static let state = Locked(State())

  static func add(_ rules: HandshakeRules) -> UInt {
    state.withLock { state in
      state.last &+= 1
      state.rules[state.last] = rules
      return state.last
    }
  }

  static func remove(_ number: UInt) { state.withLock { _ = $0.rules.removeValue(forKey: number) } }

  static func find(_ number: UInt) -> HandshakeRules? { state.withLock { $0.rules[number] } }
}
