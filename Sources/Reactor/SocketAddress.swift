import CLinux

/// An IPv4, IPv6 or unix-domain socket address.
package struct SocketAddress: Sendable {
  package private(set) var storage = sockaddr_storage()
  package private(set) var length: socklen_t = 0

  package var family: Int32 { Int32(storage.ss_family) }

  package init(storage: sockaddr_storage, length: socklen_t) {
    self.storage = storage
    self.length = length
  }

  /// - Throws: `ENAMETOOLONG` for a path of more than 107 bytes.
  package init(unixPath path: String) throws(Errno) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < capacity else { throw Errno(ENAMETOOLONG) }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    withUnsafeBytes(of: &address) { source in
      withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: source) }
    }
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
  }

  /// A literal address, no name; nil when `host` is neither IPv4 nor IPv6.
  package init?(literal host: String, port: UInt16) {
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    if inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      withUnsafeBytes(of: &v4) { source in withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: source) } }
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
    } else if inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      withUnsafeBytes(of: &v6) { source in withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: source) } }
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    } else {
      return nil
    }
  }

  package func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    withUnsafePointer(to: storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  /// The client's side of it, as the gateway counts, logs and forwards it.
  package var peer: PeerAddress {
    var result = PeerAddress()
    withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.ss_family) {
      case AF_INET:
        let address = bytes.loadUnaligned(as: sockaddr_in.self)
        result = PeerAddress(v4: UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
      case AF_INET6:
        var address = bytes.loadUnaligned(as: sockaddr_in6.self)
        let high = withUnsafeBytes(of: &address.sin6_addr) { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
        let low = withUnsafeBytes(of: &address.sin6_addr) {
          UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        result = PeerAddress(high: high, low: low, port: UInt16(bigEndian: address.sin6_port))
      default: break
      }
    }
    return result
  }

  /// `host:port`, `[v6]:port` or `unix:PATH`.
  package var description: String {
    if family == AF_UNIX {
      return withUnsafeBytes(of: storage) { bytes in
        let path = bytes.dropFirst(2).prefix(Int(length) - 2).prefix { $0 != 0 }
        return "unix:" + String(decoding: path, as: UTF8.self)
      }
    }
    let peer = self.peer
    // As a peer all zeros would be nobody; as an address to listen on it is every one of this host's.
    return family == AF_INET6 && peer.isUnspecified ? "[::]:\(peer.port)" : peer.description
  }
}
