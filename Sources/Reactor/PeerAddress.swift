import Bytes

/// An IP address and port in 18 bytes. IPv4 stands as `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2); all zeros is a
/// unix-domain peer, which has no address.
public struct PeerAddress: Hashable, Sendable, CustomStringConvertible {
  package var high: UInt64 = 0
  package var low: UInt64 = 0
  package var port: UInt16 = 0

  package init() {}

  package init(v4: UInt32, port: UInt16) {
    low = 0x0000_ffff_0000_0000 | UInt64(v4)
    self.port = port
  }

  package init(high: UInt64, low: UInt64, port: UInt16) {
    self.high = high
    self.low = low
    self.port = port
  }

  package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }
  /// No IP address at all: the peer of a unix-domain socket.
  package var isUnspecified: Bool { high == 0 && low == 0 }

  /// Whether the address lies in the network whose address is `network` with `prefixLength` of 128 bits.
  package func isInside(high networkHigh: UInt64, low networkLow: UInt64, prefixLength: Int) -> Bool {
    let highMask: UInt64 = prefixLength >= 64 ? .max : prefixLength == 0 ? 0 : ~(.max >> UInt64(prefixLength))
    let lowBits = prefixLength - 64
    let lowMask: UInt64 = lowBits >= 64 ? .max : lowBits <= 0 ? 0 : ~(.max >> UInt64(lowBits))
    return high & highMask == networkHigh & highMask && low & lowMask == networkLow & lowMask
  }

  /// Appends the address without the port: dotted for IPv4, RFC 5952 for IPv6, `unix` for neither.
  package func append(to out: inout ByteQueue) {
    if isUnspecified {
      out.append("unix")
    } else if isIPv4 {
      var shift: UInt64 = 24
      while true {
        out.append(decimal: (low >> shift) & 0xff)
        if shift == 0 { return }
        out.append(0x2e)
        shift &-= 8
      }
    } else {
      appendIPv6(to: &out)
    }
  }

  /// RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as `::`.
  private func appendIPv6(to out: inout ByteQueue) {
    var bestStart = -1
    var bestCount = 1
    var index = 0
    while index < 8 {
      var run = 0
      while index &+ run < 8, group(index &+ run) == 0 { run &+= 1 }
      if run > bestCount {
        bestStart = index
        bestCount = run
      }
      index &+= max(run, 1)
    }
    index = 0
    while index < 8 {
      if index == bestStart {
        out.append("::")
        index &+= bestCount
        continue
      }
      if index > 0, index != bestStart &+ bestCount || bestStart < 0 { out.append(0x3a) }
      out.append(hexadecimal: group(index))
      index &+= 1
    }
  }

  private func group(_ index: Int) -> UInt64 {
    let word = index < 4 ? high : low
    return (word >> UInt64(48 &- 16 &* (index & 3))) & 0xffff
  }

  /// An address as it stands in `X-Forwarded-For`: IPv4 or IPv6, brackets and a port allowed, spaces around it. Cold.
  package init?(text: UnsafeBufferPointer<UInt8>) {
    var host = String(decoding: ASCII.trimmed(text), as: UTF8.self)
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
      host = String(host[host.index(after: host.startIndex)..<end])
    } else if host.utf8.filter({ $0 == 0x3a }).count == 1, let colon = host.firstIndex(of: ":") {
      host = String(host[..<colon])
    }
    guard let address = SocketAddress(literal: host, port: 0) else { return nil }
    self = address.peer
  }

  /// The address alone, without brackets.
  package var hostText: String {
    var queue = ByteQueue()
    append(to: &queue)
    return String(decoding: queue.readable, as: UTF8.self)
  }

  public var description: String {
    var queue = ByteQueue()
    append(to: &queue)
    let text = String(decoding: queue.readable, as: UTF8.self)
    if isUnspecified { return text }
    return isIPv4 ? "\(text):\(port)" : "[\(text)]:\(port)"
  }
}
